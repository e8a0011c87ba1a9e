// Package investigation opens a case for alerts, has it investigated, and keeps
// its status: verdict, evidence, actions, and whether a human is needed.
package investigation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/urgency"
	"github.com/tocsin-dev/tocsin/internal/audit"
)

const (
	// indexAlerts finds the Alerts of an Investigation.
	indexAlerts = "investigation"
	// indexActions is declared by the controller of ResponseActions.
	indexActions = "spec.investigation"
)

const (
	parallelCases     = 8
	parallelInquiries = 8
	// actionsSettle is how long an action gets to reach a standing that lasts: it passes
	// through several while it is carried out, and one write of its case tells of them all.
	actionsSettle = 300 * time.Millisecond
)

// actionsLevel: where something is done, it is no small matter.
var actionsLevel = urgency.Of(v1alpha1.SeverityCritical)

// Correlator hears when a case takes no further alerts, or an older one takes them.
type Correlator interface {
	Merge(namespace, younger, older string)
	Close(namespace, investigation string, byHuman bool)
}

// Reconciler keeps Investigations.
type Reconciler struct {
	Client       client.Client
	Investigator *Investigator
	Correlator   Correlator
	Recorder     events.EventRecorder
	Now          func() time.Time

	desk *desk
	// mergesLogged holds the older case by the younger, until the cache shows the merge.
	mergesLogged sync.Map
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=investigations,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=investigations/status,verbs=patch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alerts;analysts;alertsources,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=responseactions,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.desk = newDesk(parallelInquiries)
	indexer := mgr.GetFieldIndexer()
	if err := indexer.IndexField(ctx, &v1alpha1.Alert{}, indexAlerts, func(o client.Object) []string {
		return []string{o.GetLabels()[v1alpha1.LabelInvestigation]}
	}); err != nil {
		return err
	}
	if err := r.Investigator.showAgreement(ctx); err != nil {
		return err
	}
	if err := indexMerges(ctx, indexer); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).Named("investigation").
		Watches(&v1alpha1.Investigation{}, urgency.Handler(r.casesAround, urgency.OfCase, 0)).
		Watches(&v1alpha1.Alert{}, urgency.Handler(r.casesOf, urgency.OfAlert, 0)).
		Watches(&v1alpha1.ResponseAction{}, urgency.Handler(r.caseOfAction, func(client.Object) urgency.Level { return actionsLevel }, actionsSettle)).
		WatchesRawSource(source.TypedChannel(r.desk.done, wakes)).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallelCases}).
		Complete(r)
}

// caseOfAction is the case that an action is of, and the one that holds it now.
func (r *Reconciler) caseOfAction(ctx context.Context, o client.Object) []reconcile.Request {
	return r.requests(ctx, o.GetNamespace(), o.(*v1alpha1.ResponseAction).Spec.Investigation)
}

// wakes has a case reconciled whose inquiry is done, as urgently as that was.
var wakes = handler.TypedFuncs[wake, reconcile.Request]{
	GenericFunc: func(_ context.Context, e event.TypedGenericEvent[wake], q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		urgency.Add(q, reconcile.Request{NamespacedName: e.Object.key}, e.Object.level, 0)
	},
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	file, err := r.gather(ctx, request.NamespacedName)
	if err != nil {
		return reconcile.Result{}, err
	}
	if file == nil {
		r.desk.forget(request.NamespacedName)
		return reconcile.Result{}, nil
	}
	if isMerged, err := r.merge(ctx, file); isMerged || err != nil {
		return reconcile.Result{}, err
	}
	if file.spokenOf() {
		r.Correlator.Close(request.Namespace, request.Name, true)
	}
	var proposals []*v1alpha1.ResponseAction
	before := file.investigation.DeepCopy()
	if file.current() {
		r.desk.forget(request.NamespacedName) // what was found is in the status now
	} else {
		found, finished, err := r.desk.collect(ctx, request.NamespacedName, file.subject(), file.level(), func(ctx context.Context) (outcome, error) {
			return r.Investigator.investigate(ctx, file)
		})
		if err != nil || !finished {
			return reconcile.Result{}, err
		}
		file.conclude(found, r.Now())
		proposals = found.actions
	}
	file.summarise(proposals)
	file.judge(r.Now())
	if err := r.Investigator.remember(ctx, file); err != nil {
		return reconcile.Result{}, err
	}
	if err := r.write(ctx, before, file.investigation); err != nil {
		return reconcile.Result{}, err
	}
	if err := r.propose(ctx, file, proposals); err != nil || file.complete() {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil // more alerts joined meanwhile
}

// gather reads the case, with the alerts and actions of those that were merged into it;
// nil if it has no alerts or is gone. A case that alerts name but that does not exist
// is opened.
func (r *Reconciler) gather(ctx context.Context, key types.NamespacedName) (*caseFile, error) {
	file := &caseFile{investigation: &v1alpha1.Investigation{}}
	var err error
	if file.merged, err = r.mergedInto(ctx, key); err != nil {
		return nil, err
	}
	for _, name := range append([]string{key.Name}, file.merged...) {
		if err := r.read(ctx, file, types.NamespacedName{Namespace: key.Namespace, Name: name}); err != nil {
			return nil, err
		}
	}
	investigation := file.investigation
	err = r.Client.Get(ctx, key, investigation)
	if apierrors.IsNotFound(err) && len(file.alerts) > 0 {
		investigation.Namespace, investigation.Name = key.Namespace, key.Name
		err = r.Client.Create(ctx, investigation)
	}
	if err != nil || len(file.alerts) == 0 || !investigation.DeletionTimestamp.IsZero() {
		return nil, client.IgnoreNotFound(err)
	}
	slices.SortFunc(file.alerts, func(a, b v1alpha1.Alert) int {
		if c := a.Spec.FirstSeen.Compare(b.Spec.FirstSeen.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return file, nil
}

// read adds the alerts and actions that name a case.
func (r *Reconciler) read(ctx context.Context, file *caseFile, key types.NamespacedName) error {
	var alerts v1alpha1.AlertList
	if err := r.Client.List(ctx, &alerts, client.InNamespace(key.Namespace), client.MatchingFields{indexAlerts: key.Name}); err != nil {
		return err
	}
	var actions v1alpha1.ResponseActionList
	if err := r.Client.List(ctx, &actions, client.InNamespace(key.Namespace), client.MatchingFields{indexActions: key.Name}); err != nil {
		return err
	}
	file.alerts, file.actions = append(file.alerts, alerts.Items...), append(file.actions, actions.Items...)
	return nil
}

// write patches the status if it changed. A stale copy is refused and comes back.
func (r *Reconciler) write(ctx context.Context, before, after *v1alpha1.Investigation) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	if err := r.record(ctx, before, after); err != nil {
		return err
	}
	if err := r.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.tell(before, after)
	if meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionClosed) {
		r.Correlator.Close(after.Namespace, after.Name, closedBy(after) == v1alpha1.ReasonClosedByHuman)
	}
	return nil
}

// record puts into the audit log that a human closed the case, before its status says so.
func (r *Reconciler) record(ctx context.Context, before, after *v1alpha1.Investigation) error {
	if closedBy(before) == v1alpha1.ReasonClosedByHuman || closedBy(after) != v1alpha1.ReasonClosedByHuman {
		return nil
	}
	_, err := r.Investigator.Log.Append(ctx, audit.Entry{
		Time: r.Now(), Type: audit.TypeInvestigation, Namespace: after.Namespace, Case: after.Name, Actor: "tocsin/investigation",
		Summary: fmt.Sprintf("closed by spec.state; verdict %s on %d alerts", after.Status.Verdict, after.Status.AlertCount),
	})
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// tell emits an event where a human should look: nothing is said of cases that close by themselves.
func (r *Reconciler) tell(before, after *v1alpha1.Investigation) {
	if !news(before, after) {
		return
	}
	r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, v1alpha1.ReasonEscalated, "Investigate",
		"%s %s (%s): kubectl soc case %s -n %s", after.Status.Priority, after.Status.Verdict, after.Status.Title, after.Name, after.Namespace)
}

// news: a case that waits for a human has another verdict or is more urgent, or an
// alert that joined at the last moment is in a case that a human closed.
func news(before, after *v1alpha1.Investigation) bool {
	was, is := &before.Status, &after.Status
	late := closedBy(after) == v1alpha1.ReasonClosedByHuman && is.AlertCount > was.AlertCount
	return meta.IsStatusConditionTrue(is.Conditions, v1alpha1.ConditionEscalated) &&
		(was.Verdict != is.Verdict || is.Priority < was.Priority || late)
}

// propose creates the actions that are not there yet; their names make that safe to repeat.
func (r *Reconciler) propose(ctx context.Context, file *caseFile, proposals []*v1alpha1.ResponseAction) error {
	for _, action := range proposals {
		if file.has(action.Name) || action.UID != "" {
			continue // it exists; where the cache does not show it yet, an earlier pass got its UID
		}
		if err := r.Client.Create(ctx, action); client.IgnoreAlreadyExists(err) != nil {
			return fmt.Errorf("propose %s: %w", action.Name, err)
		}
	}
	return nil
}
