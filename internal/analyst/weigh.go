package analyst

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// MaxDecibans that one finding counts for, either way.
const MaxDecibans = 20

const (
	// findingCap in centibans.
	findingCap = MaxDecibans * 10
	// injectionDecibans is what an attempt to talk the analyst out of a case adds.
	injectionDecibans = 3
	// excuse in centibans is what trusted findings together lower suspicion by in a case that
	// is dismissed: priors and trifles alone excuse nobody.
	excuse = 50
	// maxEvidence that a case shows, and therefore counts.
	maxEvidence = 256
	// defaultThreshold in decibans, where none is configured.
	defaultThreshold = 13
)

// Facts are what a verdict is drawn from.
type Facts struct {
	// Alerts of the case, and what is believed of each before any evidence: a case is
	// dismissed only if each is explained.
	Alerts []Belief
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
//   - A case is as innocent as its least innocent alert, by its prior and by what explains
//     it: that prior counts, and findings below zero about other alerts do not, nor
//     where something of the same group speaks against another. Else an intruder with
//     the token of a deployer would hide behind the deployer's daily work.
//   - What is as ever of an alert excuses nothing where anything of it is not: a finding
//     below zero of a group of habits does not count beside one above zero about the same
//     alert in such a group, whoever's word that is. Else routine would cover what an
//     intruder does with it.
//   - Findings of one group count once: the strongest, at a tie the suspicious
//     one, then the first. The same finding reported twice is a group too.
//   - A case is dismissed only on trusted findings that together count at least 5 dB
//     below zero, with no injection attempt, and with no question left unanswered (S3): an
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
	unlike(all)
	worst := leastInnocent(all, f.Alerts)
	leastExplained(all, worst.Alert)
	groupOnce(all)
	shown, dropped := bound(distinct(all))
	number(shown)

	c := Conclusion{Prior: capped(worst.Prior), PriorReason: Plain(worst.Reason, 512), Score: capped(worst.Prior)}
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
	strongest, excused := exculpatory(shown)
	switch {
	case strongest == nil:
		c.EscalateReason = "no trusted evidence lowers suspicion"
	case excused > -excuse:
		c.EscalateReason = fmt.Sprintf("trusted evidence lowers suspicion by less than %d dB", excuse/10)
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

// exculpatory is the trusted finding that lowers suspicion most, or nil, and what all of
// them lower it by.
func exculpatory(shown []weighed) (strongest *weighed, sum int32) {
	for i := range shown {
		w := shown[i].evidence.Weight
		if w >= 0 {
			continue
		}
		if sum += w; strongest == nil || w < strongest.evidence.Weight {
			strongest = &shown[i]
		}
	}
	return strongest, sum
}

func capped(centibans int32) int32 { return min(max(centibans, -findingCap), findingCap) }

func abs(n int32) int32 { return max(n, -n) }

// decibans of centibans, as people read them: +30.6 dB.
func decibans(centibans int32) string { return fmt.Sprintf("%+.1f dB", float64(centibans)/10) }
