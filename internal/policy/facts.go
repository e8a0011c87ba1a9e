package policy

import (
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// Facts are what an input is made of.
type Facts struct {
	// Action with its plan.
	Action *v1alpha1.ResponseAction
	// Connector, Operation and Arguments that it asks for; those of the inverse for an undo.
	Connector, Operation string
	Arguments            map[string]any
	// Investigation that holds the alerts of the action's case; nil outside a case, and where it is gone.
	Investigation *v1alpha1.Investigation
	// NamespaceLabels of the target's namespace.
	NamespaceLabels map[string]string
	// Now is when the decision is made.
	Now time.Time
}

// Input is the document that policies decide on.
func (f Facts) Input() Input {
	spec, p := f.Action.Spec, f.Action.Status.Plan
	in := Input{
		Action: Action{
			Name: f.Action.Name, Namespace: f.Action.Namespace,
			Connector: f.Connector, Operation: f.Operation, Arguments: f.Arguments,
			Risk: p.Risk, Undo: p.Undo,
			RequestedBy: spec.RequestedBy, Reason: spec.Reason, Investigation: spec.Investigation,
		},
		Plan:          Plan{Digest: p.Digest, Summary: p.Summary, Target: PlanTarget(p.Target), Warnings: p.Warnings},
		Investigation: Investigation{Name: spec.Investigation},
		Target:        Target{NamespaceLabels: f.NamespaceLabels, Criticality: f.NamespaceLabels[v1alpha1.LabelCriticality]},
		Time:          NewTime(f.Now),
	}
	if p.Reach != nil {
		in.Plan.Reach = Reach(*p.Reach)
	}
	if c := f.Investigation; c != nil {
		verdict, gradedBy := spoken(c, spec.RequestedBy)
		in.Investigation = Investigation{
			Name: spec.Investigation, Verdict: verdict, GradedBy: gradedBy, ProbabilityPermille: ptr.Deref(c.Status.ProbabilityPermille, 0),
			Severity: c.Status.Severity, Priority: c.Status.Priority, Techniques: c.Status.Techniques, Entities: c.Status.Entities,
		}
	}
	return in
}

// spoken is the verdict that counts for an action, and who gave it if the analyst did
// not. Nobody's own grade speaks for what they ask for: else a policy that trusts a
// verdict would let them act alone. A ServiceAccount may be anybody's who may edit its
// namespace, so neither does a grade where one asks, nor one's grade where a person does.
func spoken(c *v1alpha1.Investigation, requester string) (v1alpha1.Verdict, string) {
	grade := c.Spec.Grade
	switch {
	case grade == nil:
		return c.Status.Verdict, ""
	case grade.By == requester, isAccount(requester), isAccount(grade.By) && !automatic(requester):
		return c.Status.AnalystVerdict, ""
	}
	return c.Status.Verdict, grade.By
}

func isAccount(user string) bool { return strings.HasPrefix(user, "system:serviceaccount:") }

// automatic requesters are those that admission keeps people from naming.
func automatic(requester string) bool {
	_, playbook := response.PlaybookOf(requester)
	return playbook || strings.HasPrefix(requester, response.UndoRequester("")) || requester == "analyst" || strings.HasPrefix(requester, "analyst:")
}
