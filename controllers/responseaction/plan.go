package responseaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// forbiddenRetry is how often a plan is tried whose permission is missing: nothing tells when it is granted.
const forbiddenRetry = time.Minute

// circuitRetry is how soon to look whether a tool that did not answer is called again.
const circuitRetry = 10 * time.Second

// plan makes the plan, and makes it again before it is executed: where the
// target has changed in what matters, the digest differs and old approvals do not count.
type plan struct {
	ballot  ballot
	targets *targets
}

func (s plan) take(ctx context.Context, r *run) (next, error) {
	if due, err := s.due(ctx, r); err != nil || !due {
		return proceed, err
	}
	r.turn = s.targets.turn()
	made, err := r.job.responder.Plan(ctx, r.job.request)
	if err != nil {
		return s.failed(r, err)
	}
	digest, err := response.Change{
		Action: string(r.action.UID), Connector: r.job.connector, Operation: r.job.request.Operation, Arguments: r.job.request.Arguments,
		Target: made.Target, Diff: made.Diff, Undo: reversibility(r, made),
	}.Digest()
	if err != nil {
		r.stall(v1alpha1.ReasonPlanFailed, err.Error())
		return halt, nil
	}
	if made.Inverse != nil && len(made.Inverse.Arguments) > maxInverse {
		r.stall(v1alpha1.ReasonPlanFailed, fmt.Sprintf("what an undo needs is too large to be kept (%d bytes, at most %d), so nothing is changed", len(made.Inverse.Arguments), maxInverse))
		return halt, nil
	}
	r.plan = &made
	if old := r.status().Plan; old == nil || old.Digest != digest {
		r.status().Plan = describe(r, digest, made)
		r.status().Decision, r.status().Approvals = nil, nil
		r.mark(v1alpha1.ConditionPlanned, true, v1alpha1.ReasonPlanned, r.status().Plan.Summary)
	}
	// Of these, policies ask anew: a newer connector may know its operation to be worse than an older one did.
	r.status().Plan.Risk, r.status().Plan.Reach = r.job.operation.Risk, reachOf(made.Shares)
	if made.Done {
		r.finish(v1alpha1.OutcomeSkipped, "nothing to do: "+redact.String(made.Summary)+" is already so")
		return halt, nil
	}
	return proceed, nil
}

// due: there is no plan yet, or the one there is may now be executed.
func (s plan) due(ctx context.Context, r *run) (bool, error) {
	if r.status().Plan == nil || r.status().Decision == nil {
		return true, nil
	}
	tally, _, err := s.ballot.count(ctx, r, false)
	return tally.Authorized, err
}

// failed tells what a human must change from what passes by itself.
func (s plan) failed(r *run, err error) (next, error) {
	message := shorten.Characters(redact.String(err.Error()), maxMessage)
	switch {
	case errors.Is(err, connectors.ErrInvalid):
		r.stall(v1alpha1.ReasonInvalidSpec, message)
	case errors.Is(err, connectors.ErrUnsupported):
		r.stall(v1alpha1.ReasonUnknownOperation, message)
	case errors.Is(err, connectors.ErrOpen):
		r.wait(v1alpha1.ReasonUnavailable, fmt.Sprintf("Connector %s: %s", r.job.connector, message))
		return lookAgain(circuitRetry), nil
	case errors.Is(err, connectors.ErrForbidden):
		r.stall(v1alpha1.ReasonForbidden, message)
		return lookAgain(forbiddenRetry), nil
	case errors.Is(err, connectors.ErrNotFound), errors.Is(err, connectors.ErrConflict):
		r.stall(v1alpha1.ReasonPlanFailed, message)
	default:
		r.wait(v1alpha1.ReasonPlanFailed, message)
		return halt, fmt.Errorf("plan: %w", err)
	}
	return halt, nil
}

// describe is the plan as people see it: redacted, and cut where it is too long.
func describe(r *run, digest string, made connectors.Plan) *v1alpha1.Plan {
	diff := redact.String(made.Diff)
	p := &v1alpha1.Plan{
		Digest:    digest,
		Target:    made.Target,
		Summary:   shorten.Characters(redact.String(made.Summary), maxSummary),
		Diff:      shorten.Characters(diff, maxDiff),
		Risk:      r.job.operation.Risk,
		Undo:      reversibility(r, made),
		PlannedAt: r.micro(),
	}
	if p.Diff != diff {
		p.Warnings = append(p.Warnings, "the diff is too long to show and was cut; the digest covers all of it")
	}
	for _, w := range made.Warnings {
		if len(p.Warnings) < maxWarnings {
			p.Warnings = append(p.Warnings, shorten.Characters(redact.String(w), maxWarning))
		}
	}
	return p
}

// reversibility says whether the plan can be taken back. An inverse that only puts back what it can promises nothing.
func reversibility(r *run, made connectors.Plan) v1alpha1.OperationUndo {
	if made.Inverse != nil && r.job.operation.Undo == v1alpha1.UndoReversible {
		return v1alpha1.UndoReversible
	}
	return v1alpha1.UndoIrreversible
}

// reachOf sums up what a plan takes of workloads; nil for nothing. What serves changes
// without the plan, so that it is no part of its digest.
func reachOf(shares []connectors.Share) *v1alpha1.PlanReach {
	reach := v1alpha1.PlanReach{}
	for _, share := range shares {
		if share.Taken == 0 {
			continue
		}
		reach.Pods += int32(share.Taken)
		reach.Workloads++
		whole := max(share.Pods, share.Taken)
		reach.Percent = max(reach.Percent, int32((100*share.Taken+whole-1)/whole))
	}
	if reach.Workloads == 0 {
		return nil
	}
	return &reach
}
