package responseaction

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const fieldInvestigation = "spec.investigation"

// order lets an action wait until those of its case with a lower order are done or refused.
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
		if before := &siblings.Items[i]; before.Spec.Order < r.action.Spec.Order && !response.Settled(before) && !response.Stalled(before) {
			r.wait(v1alpha1.ReasonPlanning, fmt.Sprintf("waits for %s (order %d) to be done or refused", before.Name, before.Spec.Order))
			return halt, nil
		}
	}
	return proceed, nil
}
