package responseaction

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

const fieldInvestigation = "spec.investigation"

// order lets an action wait until those of its case with a lower order are done or refused.
// Undos have an order among themselves, which stops where one of them does not come about.
type order struct{ reader client.Reader }

func (s order) take(ctx context.Context, r *run) (next, error) {
	if r.action.Spec.Investigation == "" || r.action.Spec.Order == 0 {
		return proceed, nil
	}
	var siblings v1alpha1.ResponseActionList
	if err := s.reader.List(ctx, &siblings, client.InNamespace(r.action.Namespace),
		client.MatchingFields{fieldInvestigation: r.action.Spec.Investigation}); err != nil {
		return halt, fmt.Errorf("list actions of %s: %w", r.action.Spec.Investigation, err)
	}
	for i := range siblings.Items {
		before := &siblings.Items[i]
		switch {
		case !precedes(before, r.action):
		case r.action.Spec.Undo != "":
			if !takenBack(before, siblings.Items) {
				return s.behind(r, before), nil
			}
		case !response.Settled(before) && !response.Stalled(before):
			r.wait(v1alpha1.ReasonPlanning, fmt.Sprintf("waits for %s (order %d) to be done or refused", before.Name, before.Spec.Order))
			return halt, nil
		}
	}
	return proceed, nil
}

// precedes: undos without an order wait for nobody, and nobody for them; for captures only who destroys what they are of.
func precedes(before, a *v1alpha1.ResponseAction) bool {
	if a.Spec.Undo != "" {
		return before.Spec.Undo != "" && before.Spec.Order > 0 && before.Spec.Order < a.Spec.Order
	}
	return before.Spec.Undo == "" && before.Spec.Order < a.Spec.Order && response.CapturesFor(before.Spec.RequestedBy) == ""
}

// takenBack: by this undo, or by another.
func takenBack(undo *v1alpha1.ResponseAction, siblings []v1alpha1.ResponseAction) bool {
	return done(undo) || slices.ContainsFunc(siblings, func(a v1alpha1.ResponseAction) bool {
		return a.Name == undo.Spec.Undo && a.Status.UndoneBy != ""
	})
}

// behind waits for an undo; where that stopped, somebody must look.
func (s order) behind(r *run, before *v1alpha1.ResponseAction) next {
	if !response.Settled(before) && !response.Stalled(before) {
		r.wait(v1alpha1.ReasonPlanning, fmt.Sprintf("waits for %s (order %d) to take back what was done later", before.Name, before.Spec.Order))
		return lookAgain(blockedRetry)
	}
	r.wait(v1alpha1.ReasonBlocked, shorten.Characters(fmt.Sprintf(
		"%s (order %d), which takes back what was done later, is %s: look why, then delete it to go on without it, or this one to stop here",
		before.Name, before.Spec.Order, response.Standing(before)), maxMessage))
	return lookAgain(blockedRetry)
}
