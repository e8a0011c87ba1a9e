package story

import (
	"cmp"
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// What columns of a table take at most.
const (
	titleWidth   = 64
	summaryWidth = 48
	userWidth    = 40
)

// Pending lists actions that wait for people, the longest waiting first within
// a priority. Cases holds the Investigations by namespace/name, as far as known.
func (s Style) Pending(actions []v1alpha1.ResponseAction, cases map[string]*v1alpha1.Investigation, allNamespaces bool) string {
	t := table{header: []string{"NAME", "ACTION", "TIER", "RISK", "CASE", "ASKED BY", "AGE"}}
	if allNamespaces {
		t.header = append([]string{"NAMESPACE"}, t.header...)
	}
	for _, a := range byUrgency(actions, cases) {
		d := a.Status.Decision
		tier := string(d.Tier)
		if d.Approvals > 1 {
			tier = Counted(&a)
		}
		row := []cell{
			{text: Plain(a.Name)}, {text: short(Summary(&a), summaryWidth)}, {text: tier}, {text: string(a.Status.Plan.Risk), ink: riskInk(a.Status.Plan.Risk)},
			caseCell(cases[CaseKey(&a)], a.Spec.Investigation), {text: short(a.Spec.RequestedBy, userWidth)}, {text: s.age(a.CreationTimestamp.Time)},
		}
		if allNamespaces {
			row = append([]cell{{text: a.Namespace}}, row...)
		}
		t.add(row...)
	}
	return t.write(s)
}

// CaseKey names the Investigation of an action, with its namespace.
func CaseKey(a *v1alpha1.ResponseAction) string { return a.Namespace + "/" + a.Spec.Investigation }

func caseCell(c *v1alpha1.Investigation, name string) cell {
	if c == nil {
		return cell{text: cmp.Or(Plain(name), "none")}
	}
	verdict := string(c.Status.Verdict)
	return cell{text: priorityText(c) + " " + cmp.Or(verdict, "investigating") + " " + Plain(c.Name), ink: verdictInk(c.Status.Verdict)}
}

func riskInk(r v1alpha1.Risk) ink {
	switch r {
	case v1alpha1.RiskHigh, v1alpha1.RiskCritical:
		return red
	case v1alpha1.RiskMedium:
		return yellow
	}
	return ""
}

func byUrgency(actions []v1alpha1.ResponseAction, cases map[string]*v1alpha1.Investigation) []v1alpha1.ResponseAction {
	priority := func(a *v1alpha1.ResponseAction) string {
		if c := cases[CaseKey(a)]; c != nil {
			return urgency(c)
		}
		return last
	}
	sorted := slices.Clone(actions)
	slices.SortFunc(sorted, func(a, b v1alpha1.ResponseAction) int {
		return cmp.Or(cmp.Compare(priority(&a), priority(&b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return sorted
}
