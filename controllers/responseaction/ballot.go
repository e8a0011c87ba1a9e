package responseaction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const fieldAction = "spec.action"

// ballot counts the approvals of an action.
type ballot struct {
	// cached knows approvals by their action.
	cached client.Reader
	// live reads past the cache: a denial that was made in time must not be missed.
	live      client.Reader
	admission AdmissionProof
	// requesters finds who asked through others.
	requesters Requesters
}

// count reads the approvals, past the cache or not, then the proof that admission
// let none of them be forged. Without proof nothing counts, which is no error.
func (b ballot) count(ctx context.Context, r *run, live bool) (response.Tally, []v1alpha1.Approval, error) {
	approvals, err := b.cast(ctx, r.action, live)
	if err != nil {
		return response.Tally{}, nil, fmt.Errorf("list approvals of %s: %w", r.action.Name, err)
	}
	var since time.Time
	if len(approvals) > 0 {
		// Without proof the zero time stands, and no approval counts.
		if since, err = b.admission.Since(ctx); err != nil && !errors.Is(err, admission.ErrUnproven) {
			return response.Tally{}, nil, fmt.Errorf("prove admission: %w", err)
		}
	}
	question := response.NewBallot(r.action, r.job.undoes, since, r.now)
	behind, err := b.requesters.Behind(ctx, r.action.Namespace, question.Requesters, approvals)
	if err != nil {
		return response.Tally{}, nil, err
	}
	question.Requesters = append(question.Requesters, behind...)
	return response.Count(question, approvals), approvals, nil
}

func (b ballot) cast(ctx context.Context, action *v1alpha1.ResponseAction, live bool) ([]v1alpha1.Approval, error) {
	var approvals v1alpha1.ApprovalList
	if !live {
		err := b.cached.List(ctx, &approvals, client.InNamespace(action.Namespace), client.MatchingFields{fieldAction: action.Name})
		return approvals.Items, err
	}
	// An API server of Kubernetes 1.30 selects custom resources by no field of their spec.
	err := b.live.List(ctx, &approvals, client.InNamespace(action.Namespace))
	return slices.DeleteFunc(approvals.Items, func(a v1alpha1.Approval) bool { return a.Spec.Action != action.Name }), err
}
