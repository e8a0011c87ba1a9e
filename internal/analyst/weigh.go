package analyst

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	// findingCap in centibans: no finding counts for more, either way.
	findingCap = 200
	// injectionDecibans is what an attempt to talk the analyst out of a case adds.
	injectionDecibans = 3
	// maxEvidence that a case shows, and therefore counts.
	maxEvidence = 256
	// defaultThreshold in decibans, where none is configured.
	defaultThreshold = 13
)

// Facts are what a verdict is drawn from.
type Facts struct {
	// Prior in centibans, and where it comes from.
	Prior       int32
	PriorReason string
	// Findings in the order in which they are numbered.
	Findings []Finding
	// Thresholds of the verdict in decibans; zero means the default.
	Thresholds v1alpha1.Thresholds
	// Injection holds the reasons that Injection returned for the texts of the case.
	Injection []string
	// Unanswered names what could not be found out: questions that failed or
	// timed out, and conditions that could not be evaluated.
	Unanswered []string
}

// Conclusion is a verdict and everything that it rests on.
type Conclusion struct {
	Verdict             v1alpha1.Verdict
	ProbabilityPermille int32
	// Score is Prior plus the weights of Evidence, in centibans.
	Score, Prior int32
	PriorReason  string
	Evidence     []v1alpha1.Evidence
	// Escalate: a human must look; EscalateReason says why.
	Escalate       bool
	EscalateReason string
}

// Weigh adds up what was found. It is the one place that holds these rules:
//
//   - A finding that an attacker could have written never counts below zero (S2).
//   - One finding counts at most 20 dB either way.
//   - Findings of one group count once: the strongest, at a tie the suspicious
//     one, then the first. The same finding reported twice is a group too.
//   - A case is dismissed only on at least one trusted finding that counts below
//     zero, with no injection attempt, and with no question left unanswered (S3): an
//     answer that is missing might have spoken for an attack.
func Weigh(f Facts) Conclusion {
	findings := f.Findings
	if len(f.Injection) > 0 {
		findings = append(slices.Clone(findings), Finding{
			Question: "alert", Group: "injection", Decibans: injectionDecibans,
			Provenance: v1alpha1.ProvenanceAttackerWritable,
			Text:       "text of the alert tries to sway the verdict: " + strings.Join(f.Injection, "; "),
		})
	}
	all := weighAll(findings)
	groupOnce(all)
	shown, dropped := bound(all)
	number(shown)

	c := Conclusion{Prior: capped(f.Prior), PriorReason: Plain(f.PriorReason, 512), Score: capped(f.Prior)}
	for _, w := range shown {
		c.Score += w.evidence.Weight
		c.Evidence = append(c.Evidence, w.evidence)
	}
	c.ProbabilityPermille = permille(c.Score)
	c.conclude(f, shown, dropped)
	return c
}

// conclude draws the verdict from the sum.
func (c *Conclusion) conclude(f Facts, shown []weighed, dropped bool) {
	confirm, dismiss := cmp.Or(f.Thresholds.Confirm, defaultThreshold)*10, cmp.Or(f.Thresholds.Dismiss, defaultThreshold)*10
	c.Verdict, c.Escalate = v1alpha1.Undetermined, true
	if c.Score >= confirm {
		c.Verdict = v1alpha1.TruePositive
		c.EscalateReason = fmt.Sprintf("the evidence for an attack reaches %s", decibans(c.Score))
		return
	}
	if c.Score > -dismiss {
		c.EscalateReason = fmt.Sprintf("the evidence, %s, decides neither way (from %s or up to %s it would)", decibans(c.Score), decibans(confirm), decibans(-dismiss))
		return
	}
	strongest := strongestExculpatory(shown)
	switch {
	case strongest == nil:
		c.EscalateReason = "no trusted evidence lowers suspicion"
	case len(f.Injection) > 0:
		c.EscalateReason = "text of the alert tries to sway the verdict"
	case len(f.Unanswered) > 0:
		c.EscalateReason = Plain("not known: "+strings.Join(f.Unanswered, "; "), 512)
	case dropped:
		c.EscalateReason = fmt.Sprintf("more than %d findings: not all could be counted", maxEvidence)
	default:
		c.Verdict, c.Escalate = cmp.Or(strongest.suggests, v1alpha1.BenignPositive), false
	}
}

// weighed is a finding on its way to evidence.
type weighed struct {
	evidence v1alpha1.Evidence
	group    string
	suggests v1alpha1.Verdict
	// index among all findings, and that of the one that counts in its place.
	index, countedWith int
}

func weighAll(findings []Finding) []weighed {
	all := make([]weighed, 0, len(findings))
	for i, f := range findings {
		w := weighed{suggests: f.Suggests, group: f.Group, index: i, countedWith: i}
		if f.Group == "" {
			w.group = "\x00" + f.Question + "\x00" + f.Text
		}
		provenance := f.Provenance
		if provenance != v1alpha1.ProvenanceTrusted {
			provenance = v1alpha1.ProvenanceAttackerWritable
		}
		claimed := 10 * min(max(f.Decibans, -1000), 1000)
		w.evidence = v1alpha1.Evidence{
			Question: cmp.Or(Plain(f.Question, 128), "alert"), Finding: cmp.Or(Plain(f.Text, 1024), "a finding without words"),
			Provenance: provenance, Group: Plain(f.Group, 128), Claimed: claimed, Weight: capped(claimed),
		}
		switch {
		case provenance == v1alpha1.ProvenanceAttackerWritable && claimed < 0:
			w.evidence.Weight, w.evidence.Note = 0, "written by the suspect: counts for nothing"
		case w.evidence.Weight != claimed:
			w.evidence.Note = "one finding counts at most " + decibans(findingCap)
		}
		all = append(all, w)
	}
	return all
}

// groupOnce leaves each group its strongest weight.
func groupOnce(all []weighed) {
	counts := map[string]int{}
	for i, w := range all {
		best, seen := counts[w.group]
		if !seen || stronger(w.evidence.Weight, all[best].evidence.Weight) {
			counts[w.group] = i
		}
	}
	for i := range all {
		if w := &all[i]; counts[w.group] != i && w.evidence.Weight != 0 {
			w.evidence.Weight, w.countedWith = 0, counts[w.group]
		}
	}
}

// stronger: by size, and at the same size the suspicious one.
func stronger(a, b int32) bool {
	if abs(a) != abs(b) {
		return abs(a) > abs(b)
	}
	return a > b
}

// bound keeps as many findings as a case can show, the strongest, in their order.
// It says whether one that counts was left out.
func bound(all []weighed) ([]weighed, bool) {
	if len(all) <= maxEvidence {
		return all, false
	}
	kept := slices.Clone(all)
	slices.SortStableFunc(kept, func(a, b weighed) int { return cmp.Compare(abs(b.evidence.Weight), abs(a.evidence.Weight)) })
	dropped := kept[maxEvidence].evidence.Weight != 0
	kept = kept[:maxEvidence]
	slices.SortFunc(kept, func(a, b weighed) int { return cmp.Compare(a.index, b.index) })
	return kept, dropped
}

// number gives the evidence its ids. Whatever counts for another is at least as
// strong, so it is shown too.
func number(shown []weighed) {
	ids := map[int]string{}
	for i := range shown {
		ids[shown[i].index] = fmt.Sprintf("E%d", i+1)
	}
	for i := range shown {
		w := &shown[i]
		w.evidence.ID = ids[w.index]
		if w.countedWith != w.index {
			w.evidence.Note = "counted once with " + ids[w.countedWith]
		}
	}
}

// strongestExculpatory is the trusted finding that lowers suspicion most, or nil.
func strongestExculpatory(shown []weighed) *weighed {
	var strongest *weighed
	for i := range shown {
		if w := shown[i].evidence.Weight; w < 0 && (strongest == nil || w < strongest.evidence.Weight) {
			strongest = &shown[i]
		}
	}
	return strongest
}

func capped(centibans int32) int32 { return min(max(centibans, -findingCap), findingCap) }

func abs(n int32) int32 { return max(n, -n) }

// decibans of centibans, as people read them: +30.6 dB.
func decibans(centibans int32) string { return fmt.Sprintf("%+.1f dB", float64(centibans)/10) }
