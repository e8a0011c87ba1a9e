// Package responseaction plans, decides, executes and observes ResponseActions,
// and takes them back. Each step is a small type in a file of its own; the
// controller takes them in order over one action in memory.
package responseaction

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const (
	// parallel is how many actions are worked on at once. Each waits for a dozen answers
	// of the API server: with a slow one, fewer would make actions wait for each other.
	parallel = 16
	// staleRetry is how soon the cache is expected to have caught up with a write.
	staleRetry = 50 * time.Millisecond
	// firstRetry and lastRetry bound how long an action waits after an error that may pass. The
	// wait doubles; without a bound, a short outage would hold actions for a quarter of an hour.
	firstRetry = 5 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Dependencies of the controller.
type Dependencies struct {
	Client client.Client
	// Live reads past the cache.
	Live       client.Reader
	Connectors Connectors
	Policies   Decider
	Log        Log
	Admission  AdmissionProof
	Requesters Requesters
	Events     events.EventRecorder
	Clock      clock.PassiveClock
	Rails      response.Rails
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=responseactions,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=responseactions/status,verbs=update
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=approvals;approvalpolicies;connectors;investigations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler takes actions through their steps.
type Reconciler struct {
	client client.Client
	clock  clock.PassiveClock
	store  *store
	// targets that are acted on.
	targets *targets
	steps   []step
}

// NewReconciler wires the steps, in the order in which they are taken.
func NewReconciler(d Dependencies) *Reconciler {
	store := newStore(d.Client, d.Log, d.Events)
	targets := newTargets()
	ballot := ballot{cached: d.Client, live: d.Live, admission: d.Admission, requesters: d.Requesters}
	guard := guard{reader: d.Client, rails: d.Rails}
	budget := newBudget(d.Client, d.Rails.HourlyCap)
	stop := stop{reader: d.Live, operator: d.Rails.Namespace}
	observe := observe{stop: stop, targets: targets, attempts: newAttempts()}
	return &Reconciler{client: d.Client, clock: d.Clock, store: store, targets: targets, steps: []step{
		settle{client: d.Client, store: store},
		expire{},
		resolve{reader: d.Client, connectors: d.Connectors},
		observe,
		order{reader: d.Client},
		after{reader: d.Client},
		plan{ballot: ballot, targets: targets},
		decide{reader: d.Client, policies: d.Policies},
		guard,
		promise{},
		approve{ballot: ballot},
		guard,
		stop,
		execute{
			reader: d.Client, targets: targets, budget: budget, log: d.Log, store: store, observe: observe,
			reach: reach{reader: d.Client}, evidence: &evidence{client: d.Client, live: d.Live, budget: budget},
		},
	}}
}

// SetupWithManager registers the controller, its indexes and what wakes it.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, d Dependencies) error {
	if err := index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	w := watch{reader: mgr.GetClient(), operator: d.Rails.Namespace}
	backOff := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
	return ctrl.NewControllerManagedBy(mgr).Named("responseaction").
		For(&v1alpha1.ResponseAction{}).
		Watches(&v1alpha1.ResponseAction{}, handler.EnqueueRequestsFromMapFunc(w.action)).
		Watches(&v1alpha1.Approval{}, handler.EnqueueRequestsFromMapFunc(w.approval), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ApprovalPolicy{}, handler.EnqueueRequestsFromMapFunc(w.policy)).
		Watches(&v1alpha1.Connector{}, handler.EnqueueRequestsFromMapFunc(w.connector)).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(w.namespace), builder.WithPredicates(predicate.AnnotationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallel, RateLimiter: backOff}).
		Complete(NewReconciler(d))
}

func index(ctx context.Context, indexer client.FieldIndexer) error {
	return errors.Join(
		indexer.IndexField(ctx, &v1alpha1.ResponseAction{}, fieldInvestigation, func(o client.Object) []string {
			return []string{o.(*v1alpha1.ResponseAction).Spec.Investigation}
		}),
		indexer.IndexField(ctx, &v1alpha1.ResponseAction{}, fieldUndo, func(o client.Object) []string {
			return []string{o.(*v1alpha1.ResponseAction).Spec.Undo}
		}),
		indexer.IndexField(ctx, &v1alpha1.ResponseAction{}, fieldAfter, func(o client.Object) []string {
			var names []string
			for _, earlier := range o.(*v1alpha1.ResponseAction).Spec.After {
				names = append(names, earlier.Action)
			}
			return names
		}),
		indexer.IndexField(ctx, &v1alpha1.Approval{}, fieldAction, func(o client.Object) []string {
			return []string{o.(*v1alpha1.Approval).Spec.Action}
		}),
	)
}

// Reconcile implements reconcile.Reconciler.
func (c *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	action := &v1alpha1.ResponseAction{}
	if err := c.client.Get(ctx, request.NamespacedName, action); err != nil {
		c.store.forget(request.NamespacedName)
		if apierrors.IsNotFound(err) {
			c.targets.forget(request.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if action.DeletionTimestamp != nil {
		c.targets.forget(request.NamespacedName)
		return reconcile.Result{}, nil
	}
	if c.store.behind(action) {
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	r := newRun(action, c.clock.Now())
	defer func() {
		c.targets.note(r.action)
		r.release()
	}()
	after, err := c.walk(ctx, r)
	if !errors.Is(err, errStale) && !errors.Is(err, errUnsaved) {
		err = errors.Join(err, c.store.save(ctx, r))
	}
	if errors.Is(err, errStale) {
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return reconcile.Result{RequeueAfter: c.again(r, after)}, err
}

func (c *Reconciler) walk(ctx context.Context, r *run) (time.Duration, error) {
	for _, s := range c.steps {
		if taken, err := s.take(ctx, r); err != nil || taken.stop {
			return taken.after, err
		}
	}
	return 0, nil
}

// again is when to look at an action that nothing wakes before.
func (c *Reconciler) again(r *run, after time.Duration) time.Duration {
	if response.Settled(r.action) {
		return after
	}
	left := max(expiry(r.action).Sub(r.now), time.Second)
	if after == 0 || left < after {
		return left
	}
	return after
}
