package responseaction

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// lockRetry is how soon to look again whether a target is free.
const lockRetry = 50 * time.Millisecond

// execute sequences the intent in the log, marks the action as begun, and only then acts.
type execute struct {
	reader  client.Reader
	targets *targets
	budget  *budget
	log     Log
	store   *store
	observe observe
	reach   reach
	// evidence of what the action destroys, before it does.
	evidence *evidence
}

func (s execute) take(ctx context.Context, r *run) (next, error) {
	if r.plan == nil {
		// It became authorized after this pass began: the next one makes the plan again.
		r.wait(v1alpha1.ReasonAuthorized, "runs as soon as the plan is confirmed")
		return lookAgain(lockRetry), nil
	}
	if err := s.targets.recall(ctx, s.reader); err != nil {
		return halt, err
	}
	if !r.lock(s.targets, r.turn, touched(r.plan)...) {
		r.wait(v1alpha1.ReasonAuthorized, "runs as soon as another action on the same target or workload is done")
		return lookAgain(lockRetry), nil
	}
	if r.plan.Blocked != "" {
		r.wait(v1alpha1.ReasonBlocked, shorten.Characters(redact.String(r.plan.Blocked), maxMessage))
		return lookAgain(blockedRetry), nil
	}
	if held, err := s.reach.take(ctx, r); err != nil || held.stop {
		return held, err
	}
	if held, err := s.evidence.take(ctx, r); err != nil || held.stop {
		return held, err
	}
	free, err := s.budget.take(ctx, r.action.Namespace, r.now)
	if err != nil {
		return halt, err
	}
	if free > 0 {
		r.wait(v1alpha1.ReasonGuardRail, fmt.Sprintf("namespace %s has used up its %d actions an hour; runs when one is free", r.action.Namespace, s.budget.cap))
		return lookAgain(free), nil
	}
	if err := s.begin(ctx, r); err != nil {
		s.budget.giveBack(r.action.Namespace, r.now)
		return halt, err
	}
	return s.observe.execute(ctx, r, *r.plan, false)
}

// begin makes the intent and the inverse durable. The write is conditional on the
// version of the action that was read: of two passes over the same version only
// one gets here, however stale a cache is.
func (s execute) begin(ctx context.Context, r *run) error {
	inverse, err := keep(r)
	if err != nil {
		return err
	}
	index, err := s.log.Append(ctx, intentEntry(r))
	if err != nil {
		r.wait(v1alpha1.ReasonAuditUnavailable, auditDown(err))
		return fmt.Errorf("audit log: %w", err)
	}
	r.status().Inverse = inverse
	r.status().Execution = &v1alpha1.Execution{Key: r.job.request.Key, IntentIndex: index, StartedAt: r.micro()}
	r.wait(v1alpha1.ReasonExecuting, r.status().Plan.Summary)
	return s.store.save(ctx, r)
}

// touched is the target and the workloads that pods are taken of: two actions that take
// of one workload would each count the other's pods as serving.
func touched(p *connectors.Plan) []v1alpha1.TargetReference {
	all := []v1alpha1.TargetReference{p.Target}
	for _, share := range p.Shares {
		all = append(all, share.Workload)
	}
	return all
}

func keep(r *run) (*runtime.RawExtension, error) {
	if r.plan.Inverse == nil {
		return nil, nil
	}
	raw, err := json.Marshal(kept{Connector: r.job.connector, Inverse: *r.plan.Inverse})
	if err != nil {
		return nil, fmt.Errorf("status.inverse: %w", err)
	}
	return &runtime.RawExtension{Raw: raw}, nil
}
