package responseaction

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// step brings an action further. It reads what it needs and changes the action in
// memory; what must be durable before the next effect it saves itself.
type step interface {
	take(ctx context.Context, r *run) (next, error)
}

// next says whether the steps after this one are taken.
type next struct {
	stop bool
	// after is when to look again; 0 leaves that to watches and the action's expiry.
	after time.Duration
}

var (
	proceed = next{}
	halt    = next{stop: true}
)

func lookAgain(after time.Duration) next { return next{stop: true, after: after} }

// run is one pass over one action.
type run struct {
	action *v1alpha1.ResponseAction
	// stored is the action as it was last read or written.
	stored *v1alpha1.ResponseAction
	now    time.Time

	// investigation of the action, to tell it of what happens; nil outside a case.
	investigation *v1alpha1.Investigation
	// input that the policies decided on in this pass; nil if they were not asked.
	input *policy.Input
	// job is what the action asks for; set by resolve.
	job job
	// plan made in this pass; nil if there was none to make. It began at turn.
	plan *connectors.Plan
	turn uint64
	// emergency says who runs the action alone, and why; empty if nobody does.
	emergency string
	// evidence that was captured, by its digest; empty for none.
	evidence string
	// unlock gives the targets back; nil if none is held.
	unlock func()
}

// job is an action's request, resolved.
type job struct {
	connector string
	responder connectors.Responder
	operation operation.Operation
	request   connectors.Request
	// undoes is the action that is taken back; nil if none is.
	undoes *v1alpha1.ResponseAction
}

func newRun(action *v1alpha1.ResponseAction, now time.Time) *run {
	return &run{action: action, stored: action.DeepCopy(), now: now}
}

func (r *run) status() *v1alpha1.ResponseActionStatus { return &r.action.Status }

func (r *run) micro() metav1.MicroTime { return metav1.NewMicroTime(r.now) }

// wait says where the action stands while it gets further by itself.
func (r *run) wait(reason, message string) {
	r.status().ObservedGeneration = r.action.Generation
	conditions.NotReady(&r.status().Conditions, r.action.Generation, reason, message)
}

// stall says why the action gets no further until somebody changes something.
func (r *run) stall(reason, message string) {
	r.status().ObservedGeneration = r.action.Generation
	conditions.Stalled(&r.status().Conditions, r.action.Generation, reason, message)
}

// mark sets one of the conditions that tell what has been passed.
func (r *run) mark(kind string, holds bool, reason, message string) {
	conditions.Set(&r.status().Conditions, kind, holds, r.action.Generation, reason, message)
}

// finish records how the action ended.
func (r *run) finish(outcome v1alpha1.ActionOutcome, message string) {
	message = shorten.Characters(message, maxMessage)
	r.status().Result = &v1alpha1.ActionResult{Outcome: outcome, Message: message, FinishedAt: r.micro()}
	reason := string(outcome)
	r.status().ObservedGeneration = r.action.Generation
	switch outcome {
	case v1alpha1.OutcomeSucceeded, v1alpha1.OutcomeSkipped:
		conditions.Ready(&r.status().Conditions, r.action.Generation, reason, message)
	default:
		r.stall(reason, message)
	}
	if r.status().Execution != nil {
		r.mark(v1alpha1.ConditionExecuted, outcome == v1alpha1.OutcomeSucceeded, reason, message)
	}
}

// expiry is when an action that was not started is given up.
func expiry(action *v1alpha1.ResponseAction) time.Time {
	after := ptr.Deref(action.Spec.ExpiresAfter, metav1.Duration{Duration: defaultExpiry})
	return action.CreationTimestamp.Add(after.Duration)
}

// lock takes the targets for this pass, unless it has them already.
func (r *run) lock(t *targets, turn uint64, wanted ...v1alpha1.TargetReference) bool {
	if r.unlock == nil {
		r.unlock = t.acquire(client.ObjectKeyFromObject(r.action), turn, wanted...)
	}
	return r.unlock != nil
}

func (r *run) release() {
	if r.unlock != nil {
		r.unlock()
		r.unlock = nil
	}
}
