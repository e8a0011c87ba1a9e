package responseaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const fieldAction = "spec.action"

// ballot counts the approvals of an action.
type ballot struct{ admission AdmissionProof }

// count reads the approvals through the given reader, then the proof that
// admission let none of them be forged. Without proof nothing counts, which is no error.
func (b ballot) count(ctx context.Context, reader client.Reader, r *run) (response.Tally, []v1alpha1.Approval, error) {
	var approvals v1alpha1.ApprovalList
	if err := reader.List(ctx, &approvals, client.InNamespace(r.action.Namespace),
		client.MatchingFields{fieldAction: r.action.Name}); err != nil {
		return response.Tally{}, nil, fmt.Errorf("list approvals of %s: %w", r.action.Name, err)
	}
	var since time.Time
	if len(approvals.Items) > 0 {
		// Without proof the zero time stands, and no approval counts.
		var err error
		if since, err = b.admission.Since(ctx); err != nil && !errors.Is(err, admission.ErrUnproven) {
			return response.Tally{}, nil, fmt.Errorf("prove admission: %w", err)
		}
	}
	question := response.NewBallot(r.action, r.job.undoes, since, r.now)
	return response.Count(question, approvals.Items), approvals.Items, nil
}
