// Package approval says on every Approval whether it counts, and why not. It has
// no other effect: the controller of ResponseActions counts for itself.
package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const (
	// fieldAction is indexed by the controller of ResponseActions.
	fieldAction = "spec.action"
	// proofRetry is how soon to look again for the admission policies.
	proofRetry  = 15 * time.Second
	eventAction = "Count"
)

// AdmissionProof says since when admission proves who approves, or errs if it does not.
type AdmissionProof interface {
	Since(ctx context.Context) (time.Time, error)
}

// Requesters finds who else asked for an action, of those who approve it.
type Requesters interface {
	Behind(ctx context.Context, namespace string, requesters []string, approvals []v1alpha1.Approval) ([]string, error)
}

// Dependencies of the controller.
type Dependencies struct {
	Client     client.Client
	Admission  AdmissionProof
	Requesters Requesters
	Log        Log
	Events     events.EventRecorder
	Clock      clock.PassiveClock
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=approvals;responseactions,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=approvals/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler writes the Counted condition when it changes.
type Reconciler struct {
	Dependencies
	// said holds the last ruling of this process on each Approval, which the cache may not show yet.
	said sync.Map
}

// ruled is what was said of which Approval.
type ruled struct {
	uid    types.UID
	reason string
}

// SetupWithManager registers the controller.
func SetupWithManager(mgr ctrl.Manager, d Dependencies) error {
	r := &Reconciler{Dependencies: d}
	return ctrl.NewControllerManagedBy(mgr).Named("approval").
		For(&v1alpha1.Approval{}).
		Watches(&v1alpha1.ResponseAction{}, handler.EnqueueRequestsFromMapFunc(r.ofAction)).
		Complete(r)
}

// Reconcile implements reconcile.Reconciler.
func (c *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	approval := &v1alpha1.Approval{}
	if err := c.Client.Get(ctx, request.NamespacedName, approval); err != nil {
		c.said.Delete(request.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	now := c.Clock.Now()
	ruling, action, err := c.rule(ctx, approval, now)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := c.write(ctx, approval, action, ruling, now); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	return reconcile.Result{RequeueAfter: again(ruling, now)}, nil
}

// again is when the ruling may change without anything else changing.
func again(r response.Ruling, now time.Time) time.Duration {
	switch {
	case r.Reason == v1alpha1.ReasonAdmissionUnproven:
		return proofRetry
	case r.Until.IsZero():
		return 0
	}
	return max(r.Until.Sub(now), time.Second)
}

// rule gathers what the ruling depends on. The action is nil if there is none.
func (c *Reconciler) rule(ctx context.Context, approval *v1alpha1.Approval, now time.Time) (response.Ruling, *v1alpha1.ResponseAction, error) {
	name := types.NamespacedName{Namespace: approval.Namespace, Name: approval.Spec.Action}
	action, err := c.action(ctx, name)
	if err != nil {
		return response.Ruling{}, nil, err
	}
	if action == nil {
		return response.Ruling{
			Name: approval.Name, Reason: v1alpha1.ReasonActionNotFound,
			Message: fmt.Sprintf("spec.action: there is no ResponseAction %s in namespace %s", name.Name, name.Namespace),
		}, nil, nil
	}
	if ruling, begun := response.Begun(action, approval); begun {
		return ruling, action, nil
	}
	var undoes *v1alpha1.ResponseAction
	if action.Spec.Undo != "" {
		if undoes, err = c.action(ctx, types.NamespacedName{Namespace: action.Namespace, Name: action.Spec.Undo}); err != nil {
			return response.Ruling{}, nil, err
		}
	}
	ruling, err := c.count(ctx, approval, action, undoes, now)
	return ruling, action, err
}

func (c *Reconciler) action(ctx context.Context, name types.NamespacedName) (*v1alpha1.ResponseAction, error) {
	action := &v1alpha1.ResponseAction{}
	err := c.Client.Get(ctx, name, action)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get ResponseAction %s: %w", name, err)
	}
	return action, nil
}

func (c *Reconciler) count(ctx context.Context, approval *v1alpha1.Approval, action, undoes *v1alpha1.ResponseAction, now time.Time) (response.Ruling, error) {
	var all v1alpha1.ApprovalList
	if err := c.Client.List(ctx, &all, client.InNamespace(approval.Namespace), client.MatchingFields{fieldAction: action.Name}); err != nil {
		return response.Ruling{}, fmt.Errorf("list approvals of %s: %w", action.Name, err)
	}
	// Without proof the zero time stands, and no approval counts.
	since, unproven := c.Admission.Since(ctx)
	if unproven != nil && !errors.Is(unproven, admission.ErrUnproven) {
		return response.Ruling{}, fmt.Errorf("prove admission: %w", unproven)
	}
	question := response.NewBallot(action, undoes, since, now)
	behind, err := c.Requesters.Behind(ctx, action.Namespace, question.Requesters, all.Items)
	if err != nil {
		return response.Ruling{}, err
	}
	question.Requesters = append(question.Requesters, behind...)
	tally := response.Count(question, all.Items)
	i := slices.IndexFunc(tally.Rulings, func(r response.Ruling) bool { return r.Name == approval.Name })
	if i < 0 {
		return response.Ruling{}, fmt.Errorf("approval %s is not in the cache yet", approval.Name)
	}
	ruling := tally.Rulings[i]
	if ruling.Reason == v1alpha1.ReasonAdmissionUnproven && unproven != nil {
		ruling.Message = unproven.Error()
	}
	return ruling, nil
}

// write logs a changed ruling, then says it on the Approval. A ruling is the same
// while its reason is, whatever its message.
func (c *Reconciler) write(ctx context.Context, approval *v1alpha1.Approval, action *v1alpha1.ResponseAction, r response.Ruling, now time.Time) error {
	if said := meta.FindStatusCondition(approval.Status.Conditions, v1alpha1.ConditionCounted); said != nil && said.Reason == r.Reason {
		return nil
	}
	name, ruling := client.ObjectKeyFromObject(approval), ruled{approval.UID, r.Reason}
	if last, _ := c.said.Load(name); last == ruling {
		return nil
	}
	if _, err := c.Log.Append(ctx, entry(approval, action, r, now)); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	before := approval.DeepCopy()
	describe(approval, r)
	if err := c.Client.Status().Patch(ctx, approval, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("status of Approval %s: %w", approval.Name, err)
	}
	c.said.Store(name, ruling)
	approvalsTotal.WithLabelValues(r.Reason).Inc()
	c.tell(approval, action, r)
	return nil
}

func (c *Reconciler) tell(approval *v1alpha1.Approval, action *v1alpha1.ResponseAction, r response.Ruling) {
	kind := corev1.EventTypeNormal
	if !r.Counts {
		kind = corev1.EventTypeWarning
	}
	c.Events.Eventf(approval, nil, kind, r.Reason, eventAction, "%s", r.Message)
	if action != nil && !r.Counts {
		c.Events.Eventf(action, approval, kind, r.Reason, eventAction, "%s", fmt.Sprintf("Approval %s of %s does not count: %s", approval.Name, approval.Spec.Approver, r.Message))
	}
}

func describe(approval *v1alpha1.Approval, r response.Ruling) {
	status, generation := &approval.Status, approval.Generation
	status.ObservedGeneration = generation
	if r.Counts {
		conditions.Ready(&status.Conditions, generation, r.Reason, r.Message)
	} else {
		conditions.Stalled(&status.Conditions, generation, r.Reason, r.Message)
	}
	conditions.Set(&status.Conditions, v1alpha1.ConditionCounted, r.Counts, generation, r.Reason, r.Message)
}

// ofAction wakes the approvals of an action.
func (c *Reconciler) ofAction(ctx context.Context, o client.Object) []reconcile.Request {
	var approvals v1alpha1.ApprovalList
	if err := c.Client.List(ctx, &approvals, client.InNamespace(o.GetNamespace()),
		client.MatchingFields{fieldAction: o.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Cannot list the approvals of an action; they are not looked at again", "action", o.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(approvals.Items))
	for i := range approvals.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&approvals.Items[i])})
	}
	return requests
}
