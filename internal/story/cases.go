package story

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// last sorts behind every priority.
const last = "P9"

func urgency(c *v1alpha1.Investigation) string { return cmp.Or(string(c.Status.Priority), last) }

// ByUrgency sorts cases, the most urgent, then the most severe and then the oldest first.
func ByUrgency(cases []v1alpha1.Investigation) {
	slices.SortFunc(cases, func(a, b v1alpha1.Investigation) int {
		return cmp.Or(cmp.Compare(urgency(&a), urgency(&b)), cmp.Compare(b.Status.Severity.Rank(), a.Status.Severity.Rank()),
			opened(&a).Compare(opened(&b).Time),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// Cases lists cases in the given order.
func (s Style) Cases(cases []v1alpha1.Investigation, allNamespaces bool) string {
	t := table{header: []string{"PRIORITY", "VERDICT", "NAME", "TITLE", "ALERTS", "WAITING", "STATE", "AGE"}}
	if allNamespaces {
		t.header = append([]string{"NAMESPACE"}, t.header...)
	}
	for i := range cases {
		c := &cases[i]
		row := []cell{
			{text: priorityText(c), ink: priorityInk(c.Status.Priority)}, {text: verdictText(c), ink: verdictInk(c.Status.Verdict)},
			{text: Plain(c.Name)}, {text: short(title(c), titleWidth)}, {text: strconv.Itoa(int(c.Status.AlertCount))},
			{text: strconv.Itoa(int(c.Status.PendingApprovals))}, {text: stateWord(c)}, {text: s.age(opened(c).Time)},
		}
		if allNamespaces {
			row = append([]cell{{text: c.Namespace}}, row...)
		}
		t.add(row...)
	}
	return t.write(s)
}

func stateWord(c *v1alpha1.Investigation) string {
	escalated := condition(c, v1alpha1.ConditionEscalated)
	switch {
	case c.Status.MergedInto != "":
		return "merged"
	case Closed(c):
		return "closed"
	case c.Status.Verdict == "":
		return "investigating"
	case escalated != nil && escalated.Status == "True":
		return "for a human"
	}
	return "open"
}
