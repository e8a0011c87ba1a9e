package analyst

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// weighed is a finding on its way to evidence.
type weighed struct {
	evidence v1alpha1.Evidence
	alert    string
	group    string
	suggests v1alpha1.Verdict
	// index among all findings, and that of the one that counts in its place.
	index, countedWith int
}

func weighAll(findings []Finding) []weighed {
	all := make([]weighed, 0, len(findings))
	for i, f := range findings {
		w := weighed{suggests: f.Suggests, alert: f.Alert, group: f.Group, index: i, countedWith: i}
		if f.Group == "" {
			w.group = "\x00" + f.Question + "\x00" + f.Text
		}
		provenance := f.Provenance
		if provenance != v1alpha1.ProvenanceTrusted {
			provenance = v1alpha1.ProvenanceAttackerWritable
		}
		claimed := 10 * min(max(f.Decibans, -1000), 1000)
		w.evidence = v1alpha1.Evidence{
			Question: cmp.Or(Plain(f.Question, 128), "alert"), Alert: Plain(f.Alert, 253), Finding: cmp.Or(Plain(f.Text, 1024), "a finding without words"),
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

// Groups of findings that compare with what is usual.
var habits = []string{"novelty", "origin", "details", "breadth", "content", "craft", "dropped"}

// notAsEver begins the note of a habit that does not count, before what is unlike it.
const notAsEver = "it is not as ever: "

// unlike takes what is as ever its weight where something of the same alert is not.
func unlike(all []weighed) {
	because := map[string]int{}
	for i, w := range all {
		if w.evidence.Weight > 0 && slices.Contains(habits, w.group) {
			if at, seen := because[w.alert]; !seen || w.evidence.Weight > all[at].evidence.Weight {
				because[w.alert] = i
			}
		}
	}
	for i := range all {
		w := &all[i]
		at, not := because[w.alert]
		if w.evidence.Weight < 0 && slices.Contains(habits, w.group) && not {
			w.evidence.Weight, w.evidence.Note = 0, Plain(notAsEver+all[at].evidence.Finding, 256)
		}
	}
}

// leastInnocent is the alert that, by its prior and what explains it, is most likely an attack.
func leastInnocent(all []weighed, alerts []Belief) Belief {
	worst, most := unknownRule, int64(math.MinInt64)
	for _, b := range alerts {
		if sum := int64(capped(b.Prior)) + int64(explained(all, b.Alert)); sum > most {
			worst, most = b, sum
		}
	}
	return worst
}

// leastExplained leaves findings below zero their weight only where they are about
// the least innocent alert, or about the whole case.
func leastExplained(all []weighed, worst string) {
	refute(all, worst)
	counts := map[string]int{}
	for i, w := range all {
		if w.evidence.Weight < 0 && (w.alert == "" || w.alert == worst) {
			if best, seen := counts[w.group]; !seen || w.evidence.Weight < all[best].evidence.Weight {
				counts[w.group] = i
			}
		}
	}
	for i := range all {
		w := &all[i]
		if w.evidence.Weight >= 0 || w.alert == "" || w.alert == worst {
			continue
		}
		w.evidence.Weight = 0
		if same, ok := counts[w.group]; ok {
			w.countedWith = same
		} else {
			w.evidence.Note = Plain("does not explain alert "+worst, 256)
		}
	}
}

// refute takes the weight of what speaks for the innocence of an alert where, in the
// same group, more speaks against another than for it: what is usual of the one does not
// outweigh what is new of the other.
func refute(all []weighed, alert string) {
	others := suspects(all, alert)
	for i := range all {
		w := &all[i]
		if w.evidence.Weight >= 0 || w.alert == "" || w.alert != alert {
			continue
		}
		if other := others[w.group]; other != "" {
			w.evidence.Weight, w.evidence.Note = 0, Plain("does not hold for alert "+other, 256)
		}
	}
}

// suspects are by group the first alert but one against which the strongest finding speaks.
func suspects(all []weighed, alert string) map[string]string {
	type part struct{ group, alert string }
	strongest := map[part]int32{}
	for _, w := range all {
		p := part{w.group, w.alert}
		if best, seen := strongest[p]; !seen || stronger(w.evidence.Weight, best) {
			strongest[p] = w.evidence.Weight
		}
	}
	found := map[string]string{}
	for _, w := range all {
		if w.alert != "" && w.alert != alert && found[w.group] == "" && strongest[part{w.group, w.alert}] > 0 {
			found[w.group] = w.alert
		}
	}
	return found
}

// explained sums up what speaks for innocence of one alert, at most zero. A group in
// which as much speaks against it, or more against another alert than for it, explains nothing.
func explained(all []weighed, alert string) int32 {
	least, most := map[string]int32{}, map[string]int32{}
	for _, w := range all {
		if w.alert == "" || w.alert == alert {
			least[w.group] = min(least[w.group], w.evidence.Weight)
			most[w.group] = max(most[w.group], w.evidence.Weight)
		}
	}
	refuted := suspects(all, alert)
	sum := int32(0)
	for group, weight := range least {
		if stronger(weight, most[group]) && refuted[group] == "" {
			sum += weight
		}
	}
	return sum
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

// distinct leaves out findings that count for nothing and say in the same words what
// another one says: the same answer, asked for several alerts or by several playbooks.
func distinct(all []weighed) []weighed {
	counted, shown := map[string]bool{}, map[string]bool{}
	for _, w := range all {
		if w.evidence.Weight != 0 {
			counted[w.evidence.Finding] = true
		}
	}
	var kept []weighed
	for _, w := range all {
		if w.evidence.Weight == 0 && (counted[w.evidence.Finding] || shown[w.evidence.Finding]) {
			continue
		}
		shown[w.evidence.Finding] = true
		kept = append(kept, w)
	}
	return kept
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

// countedOnce begins the note of what another finding of the group counts for.
const countedOnce = "counted once with "

// number gives the evidence its ids.
func number(shown []weighed) {
	ids := map[int]string{}
	for i := range shown {
		ids[shown[i].index] = fmt.Sprintf("E%d", i+1)
	}
	for i := range shown {
		w := &shown[i]
		w.evidence.ID = ids[w.index]
		if w.countedWith != w.index {
			w.evidence.Note = countedOnce + cmp.Or(ids[w.countedWith], "one that is not shown")
		}
	}
}
