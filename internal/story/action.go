package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// Waits says that an action waits for people.
func Waits(a *v1alpha1.ResponseAction) bool {
	return response.Standing(a) == v1alpha1.ReasonWaitingForApproval && a.Status.Plan != nil && a.Status.Decision != nil
}

// Undoable says that an action has, or may have, an effect that can be taken back.
func Undoable(a *v1alpha1.ResponseAction) bool {
	return response.MayHaveDone(a) && a.Status.Inverse != nil && a.Status.UndoneBy == ""
}

// Standing says in one line where an action stands, and why.
func Standing(a *v1alpha1.ResponseAction) string {
	ready := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return "not planned yet: the operator has not looked at it"
	}
	if ready.Message == "" {
		return ready.Reason
	}
	return ready.Reason + ": " + Plain(ready.Message)
}

// approvals that counted for an action.
func approvals(a *v1alpha1.ResponseAction) int { return len(approvers(a)) }

func approvers(a *v1alpha1.ResponseAction) []string {
	var names []string
	for _, c := range a.Status.Approvals {
		if c.Decision == v1alpha1.Approve {
			names = append(names, Plain(c.Approver))
		}
	}
	return names
}

// Counted is how many of the approvals that an action needs it has: 1 of 2 senior.
func Counted(a *v1alpha1.ResponseAction) string {
	d := a.Status.Decision
	if d == nil {
		return fmt.Sprintf("%d", approvals(a))
	}
	return fmt.Sprintf("%d of %d %s", approvals(a), max(d.Approvals, 1), d.Tier)
}

// Summary of what an action changes.
func Summary(a *v1alpha1.ResponseAction) string {
	switch {
	case a.Status.Plan != nil:
		return Plain(a.Status.Plan.Summary)
	case a.Spec.Use != nil:
		return Plain(a.Spec.Use.Operation)
	}
	return "undo " + Plain(a.Spec.Undo)
}

// progress is where an action of a case that waits for nobody stands.
func (s Style) progress(a *v1alpha1.ResponseAction) (string, ink) {
	result := a.Status.Result
	switch {
	case a.Status.UndoneBy != "":
		return "undone by " + Plain(a.Status.UndoneBy), ""
	case result == nil:
		return Standing(a), ""
	}
	text := string(result.Outcome) + " " + s.clock(result.FinishedAt.Time)
	if names := approvers(a); len(names) > 0 {
		text += ", approved by " + strings.Join(names, ", ")
	}
	if result.Outcome != v1alpha1.OutcomeSucceeded {
		return text + ": " + cmp.Or(Plain(result.Message), "no reason was given"), red
	}
	if a.Spec.UndoAfter != nil && Undoable(a) {
		text += ", undo at " + s.clock(result.FinishedAt.Add(a.Spec.UndoAfter.Duration))
	}
	return text, green
}

// waitsFor is who an action waits for, and the next command.
func waitsFor(a *v1alpha1.ResponseAction) string {
	d := a.Status.Decision
	who := string(d.Tier)
	if d.Approvals > 1 {
		who = Counted(a) + " so far"
	}
	return fmt.Sprintf("waiting for %s: %s", who, command("approve", a.Namespace, a.Name))
}

// command to type next.
func command(verb, namespace, name string) string {
	return fmt.Sprintf("kubectl soc %s -n %s %s", verb, Plain(namespace), Plain(name))
}

// inOrder sorts actions as they are carried out.
func inOrder(actions []v1alpha1.ResponseAction) []v1alpha1.ResponseAction {
	sorted := slices.Clone(actions)
	slices.SortFunc(sorted, func(a, b v1alpha1.ResponseAction) int {
		return cmp.Or(cmp.Compare(a.Spec.Order, b.Spec.Order), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return sorted
}
