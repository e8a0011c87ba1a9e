package responseaction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

const (
	// lookEvery and lookFor bound the wait for an effect that was just reported.
	lookEvery = 50 * time.Millisecond
	lookFor   = 2 * time.Second
)

var errLookAgain = errors.New("the outcome cannot be told yet")

// observe finds out what became of an action that has begun, before anything
// else is done with it.
type observe struct {
	stop     stop
	targets  *targets
	attempts *attempts
}

func (s observe) take(ctx context.Context, r *run) (next, error) {
	if r.status().Execution == nil {
		return proceed, nil
	}
	if !r.lock(s.targets, s.targets.turn(), r.status().Plan.Target) {
		return lookAgain(lockRetry), nil
	}
	return s.conclude(ctx, r, claim{})
}

// execute runs the connector, which is the only place where anything is changed.
// With rest, part of it is there already.
func (s observe) execute(ctx context.Context, r *run, plan connectors.Plan, rest bool) (next, error) {
	s.attempts.executed(r.action.UID)
	result, err := r.job.responder.Execute(ctx, r.job.request, plan)
	if errors.Is(err, connectors.ErrOpen) {
		s.attempts.held(r.action.UID) // it was none
	}
	if err != nil {
		return s.conclude(ctx, r, claim{err: err, rest: rest})
	}
	return s.conclude(ctx, r, claim{result: &result, rest: rest})
}

func (s observe) conclude(ctx context.Context, r *run, c claim) (next, error) {
	if c.result != nil {
		r.evidence = c.result.Evidence
	}
	seen := s.look(ctx, r, c)
	if err := ctx.Err(); err != nil {
		return halt, err
	}
	tried := s.attempts.looked(r.action.UID, r.now)
	patience := maxLooking
	if errors.Is(c.err, connectors.ErrBlocked) {
		patience = maxBlocked
	}
	j := judge(c, seen, tried, r.now.Sub(tried.lookingSince) >= patience)
	switch j.move {
	case end:
		r.finish(j.outcome, redact.String(j.message))
		s.attempts.forget(r.action.UID)
		return halt, nil
	case restart:
		r.release()
		r.status().Execution = nil
		return proceed, nil
	case complete:
		return s.complete(ctx, r)
	case hold:
		return s.hold(r, seen.effect, j.message)
	}
	return halt, fmt.Errorf("%w: %s%s", errLookAgain, seen, because(c))
}

// complete does the rest of what was authorized, unless a stop switch is set meanwhile.
func (s observe) complete(ctx context.Context, r *run) (next, error) {
	if held, err := s.stop.take(ctx, r); err != nil || held.stop {
		return held, err
	}
	stored, err := storedPlan(r.status())
	if err != nil {
		return halt, err
	}
	return s.execute(ctx, r, stored, true)
}

// hold waits for what is in the way. Where nothing was done yet, every check is made again.
func (s observe) hold(r *run, effect connectors.Effect, message string) (next, error) {
	if effect == connectors.EffectAbsent {
		s.attempts.forget(r.action.UID)
		r.release()
		r.status().Execution = nil
	} else {
		s.attempts.held(r.action.UID)
	}
	r.wait(v1alpha1.ReasonBlocked, shorten.Characters(redact.String(message), maxMessage))
	return lookAgain(blockedRetry), nil
}

// look observes, and where the connector just reported success, waits a little for it to show.
func (s observe) look(ctx context.Context, r *run, c claim) sighting {
	var seen sighting
	once := func(ctx context.Context) (bool, error) {
		seen.effect, seen.err = r.job.responder.Observe(ctx, r.job.request, r.status().Plan.Target)
		return seen.err == nil && seen.effect == connectors.EffectPresent, nil
	}
	switch {
	case c.result == nil:
		_, _ = once(ctx)
	case c.result.Outcome == v1alpha1.OutcomeSucceeded || c.result.Outcome == v1alpha1.OutcomeUnknown:
		// Running out of time is told by what was seen last.
		_ = wait.PollUntilContextTimeout(ctx, lookEvery, lookFor, true, once)
	}
	return seen
}

// storedPlan is the plan that was authorized, with the inverse that was kept
// before anything was changed: one made now would restore the half-done state.
func storedPlan(s *v1alpha1.ResponseActionStatus) (connectors.Plan, error) {
	p := connectors.Plan{Target: s.Plan.Target, Summary: s.Plan.Summary, Diff: s.Plan.Diff, Warnings: s.Plan.Warnings}
	if s.Inverse == nil {
		return p, nil
	}
	var inverse kept
	if err := json.Unmarshal(s.Inverse.Raw, &inverse); err != nil {
		return p, fmt.Errorf("status.inverse: %w", err)
	}
	p.Inverse = &inverse.Inverse
	return p, nil
}
