package story

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// reasonWidth is how much of a reason is shown in a table.
const reasonWidth = 64

// Replay lists past actions that would be decided otherwise.
func (s Style) Replay(differences []policy.Difference, allNamespaces bool) string {
	t := table{header: []string{"WHEN", "ACTION", "WHAT", "IN FORCE", "CANDIDATE", "BECAUSE"}}
	if allNamespaces {
		t.header = append([]string{"NAMESPACE"}, t.header...)
	}
	for _, d := range differences {
		candidate := cell{text: decided(d.Candidate), ink: yellow}
		if d.Stricter() < 0 {
			candidate.ink = red // what happens with less asking is to be looked at
		}
		row := []cell{
			{text: d.Time.In(s.Zone).Format("2006-01-02 15:04")}, {text: Plain(d.Action)}, {text: short(d.Input.Plan.Summary, summaryWidth)},
			{text: decided(d.InForce)}, candidate, {text: short(news(d), reasonWidth)},
		}
		if allNamespaces {
			row = append([]cell{{text: d.Namespace}}, row...)
		}
		t.add(row...)
	}
	return t.write(s)
}

// decided is a decision in a word or two.
func decided(d v1alpha1.Decision) string {
	text := "runs"
	switch d.Outcome {
	case v1alpha1.DecisionDeny:
		return "denied"
	case v1alpha1.DecisionRequire:
		text = fmt.Sprintf("waits for %d %s", d.Approvals, d.Tier)
	}
	if len(d.SkipEvidence) > 0 {
		text += ", without evidence"
	}
	return text
}

// news are the reasons that the candidate adds, or else all of its.
func news(d policy.Difference) string {
	inForce := slices.Concat(d.InForce.Reasons, d.InForce.SkipEvidence)
	added := slices.DeleteFunc(slices.Concat(d.Candidate.Reasons, d.Candidate.SkipEvidence), func(reason string) bool { return slices.Contains(inForce, reason) })
	if len(added) == 0 {
		added = d.Candidate.Reasons
	}
	return strings.Join(added, "; ")
}
