// Package alert tells on each Alert what its Investigation concluded.
package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/controllers/merged"
	"github.com/tocsin-dev/tocsin/controllers/urgency"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

// parallel is how many alerts are told at once, so that none waits for the write of another.
const parallel = 8

// Correlator names the Investigation that an alert belongs to; always the same one for the same alert.
type Correlator interface {
	Join(namespace, name string, spec v1alpha1.AlertSpec) (investigation string, joins []string)
}

// Reconciler writes the status of Alerts.
type Reconciler struct {
	Client     client.Client
	Correlator Correlator
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alerts,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alerts/status,verbs=patch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=investigations,verbs=get;list;watch

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("alert").
		Watches(&v1alpha1.Alert{}, urgency.Handler(urgency.Self, urgency.OfAlert, 0)).
		Watches(&v1alpha1.Investigation{}, urgency.Handler(alertsOf, priority, 0)).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallel}).
		Complete(r)
}

func priority(o client.Object) urgency.Level {
	return urgency.OfPriority(o.(*v1alpha1.Investigation).Status.Priority)
}

func alertsOf(_ context.Context, object client.Object) []reconcile.Request {
	investigation := object.(*v1alpha1.Investigation)
	if investigation.Status.Verdict == "" {
		return nil
	}
	requests := make([]reconcile.Request, 0, len(investigation.Status.Alerts))
	for _, name := range investigation.Status.Alerts {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: investigation.Namespace, Name: name}})
	}
	return requests
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var alert v1alpha1.Alert
	if err := r.Client.Get(ctx, request.NamespacedName, &alert); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	name := alert.Labels[v1alpha1.LabelInvestigation]
	if name == "" {
		return reconcile.Result{}, r.join(ctx, &alert)
	}
	investigation, err := merged.Root(ctx, r.Client, types.NamespacedName{Namespace: alert.Namespace, Name: name})
	if err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err) // its creation comes back here
	}
	before := alert.DeepCopy()
	if !tell(&alert, investigation) || equality.Semantic.DeepEqual(before.Status, alert.Status) {
		return reconcile.Result{}, nil
	}
	// Locked, since ingest counts repeats at the same time.
	err = r.Client.Status().Patch(ctx, &alert, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// join labels an alert that lost its label, or never had one.
func (r *Reconciler) join(ctx context.Context, alert *v1alpha1.Alert) error {
	before := alert.DeepCopy()
	if alert.Labels == nil {
		alert.Labels = map[string]string{}
	}
	name, joins := r.Correlator.Join(alert.Namespace, alert.Name, alert.Spec)
	alert.Labels[v1alpha1.LabelInvestigation] = name
	if len(joins) > 0 {
		if alert.Annotations == nil {
			alert.Annotations = map[string]string{}
		}
		alert.Annotations[v1alpha1.AnnotationJoins] = strings.Join(joins, ",")
	}
	return client.IgnoreNotFound(r.Client.Patch(ctx, alert, client.MergeFrom(before)))
}

// tell copies the verdict, unless the case has not counted this alert yet.
func tell(alert *v1alpha1.Alert, investigation *v1alpha1.Investigation) bool {
	if investigation.Status.Verdict == "" || !slices.Contains(investigation.Status.Alerts, alert.Name) {
		return false
	}
	alert.Status.ObservedGeneration = alert.Generation
	alert.Status.Investigation = investigation.Name
	alert.Status.Verdict = investigation.Status.Verdict
	// Repeats are counted later, if any come.
	if alert.Status.Count == 0 {
		first := ingest.CountOf(alert)
		alert.Status.Count, alert.Status.LastSeen = first.Events, metav1.NewMicroTime(first.LastSeen)
	}
	conditions.Ready(&alert.Status.Conditions, alert.Generation, v1alpha1.ReasonConcluded,
		fmt.Sprintf("%s by Investigation %s", investigation.Status.Verdict, investigation.Name))
	return true
}
