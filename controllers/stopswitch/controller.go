// Package stopswitch logs when a stop switch is set, changed or let go. It stops nothing
// itself: the controller of ResponseActions reads the Namespace before it acts.
package stopswitch

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

const (
	actor       = "tocsin/stopswitch"
	eventStop   = "Stopped"
	eventLetGo  = "LetGo"
	eventAction = "Stop"
	// maxValue bounds what is logged of an annotation's value, in characters.
	maxValue = 256
)

// Log is the audit log. Append returns once the entry is sequenced, with its index.
type Log interface {
	Append(ctx context.Context, entry audit.Entry) (int64, error)
}

// Dependencies of the controller.
type Dependencies struct {
	Client client.Client
	Log    Log
	Events events.EventRecorder
	Clock  clock.PassiveClock
	// Operator is the operator's own namespace, whose switch stops everything.
	Operator string
}

// Reconciler logs what changes of the switches. What was logged before a restart it does not
// know: a switch that is set is then logged again.
type Reconciler struct {
	Dependencies
	mu sync.Mutex
	// set holds the value of each switch that is set and logged.
	set map[string]string
}

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// NewReconciler returns one that has logged nothing yet.
func NewReconciler(d Dependencies) *Reconciler {
	return &Reconciler{Dependencies: d, set: map[string]string{}}
}

// SetupWithManager registers the controller.
func SetupWithManager(mgr ctrl.Manager, d Dependencies) error {
	return ctrl.NewControllerManagedBy(mgr).Named("stopswitch").
		For(&corev1.Namespace{}, builder.WithPredicates(predicate.AnnotationChangedPredicate{})).
		Complete(NewReconciler(d))
}

// Reconcile implements reconcile.Reconciler.
func (c *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	namespace := &corev1.Namespace{}
	err := c.Client.Get(ctx, request.NamespacedName, namespace)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, err
	}
	namespace.Name = request.Name
	value, set := namespace.Annotations[v1alpha1.AnnotationStop], response.Stopped(namespace.Annotations)
	c.mu.Lock()
	defer c.mu.Unlock()
	before, was := c.set[namespace.Name]
	if set == was && (!set || value == before) {
		return reconcile.Result{}, nil
	}
	entry := c.entry(namespace, set)
	if _, err := c.Log.Append(ctx, entry); err != nil {
		return reconcile.Result{}, fmt.Errorf("audit log: %w", err)
	}
	if set {
		c.set[namespace.Name] = value
		stopped.WithLabelValues(namespace.Name).Set(1)
	} else {
		delete(c.set, namespace.Name)
		stopped.DeleteLabelValues(namespace.Name)
	}
	if !apierrors.IsNotFound(err) {
		c.tell(namespace, set, entry.Summary)
	}
	return reconcile.Result{}, nil
}

func (c *Reconciler) tell(namespace *corev1.Namespace, set bool, note string) {
	kind, reason := corev1.EventTypeNormal, eventLetGo
	if set {
		kind, reason = corev1.EventTypeWarning, eventStop
	}
	c.Events.Eventf(namespace, nil, kind, reason, eventAction, "%s", note)
}

// entry says what the switch does. Who set it only the API server's audit log can tell; the
// object tells with which client, and when.
func (c *Reconciler) entry(namespace *corev1.Namespace, set bool) audit.Entry {
	what := "actions of this namespace and on what it holds"
	if namespace.Name == c.Operator {
		what = "all actions"
	}
	e := audit.Entry{Time: c.Clock.Now(), Type: audit.TypeStop, Namespace: namespace.Name, Actor: actor, Data: map[string]any{"stopped": set}}
	if !set {
		e.Summary = fmt.Sprintf("let go: %s may run again", what)
		return e
	}
	value := shorten.Characters(redact.String(namespace.Annotations[v1alpha1.AnnotationStop]), maxValue)
	e.Summary = fmt.Sprintf("stopped: %s (%s)", what, value)
	e.Data["value"] = value
	if manager := setBy(namespace); manager != "" {
		e.Data["manager"] = manager
	}
	return e
}

// setBy is the field manager of the annotation, as the API server keeps it.
func setBy(namespace *corev1.Namespace) string {
	for _, entry := range namespace.ManagedFields {
		var fields struct {
			Metadata struct {
				Annotations map[string]any `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, owns := fields.Metadata.Annotations["f:"+v1alpha1.AnnotationStop]; owns {
			return shorten.Characters(entry.Manager, maxValue)
		}
	}
	return ""
}
