// Package connector makes the configured tools available and watches their health.
package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
)

const (
	healthEvery  = time.Minute
	checkTimeout = 10 * time.Second
	// maxChanges of circuits wait to be told.
	maxChanges = 64
)

// Checker builds a connector and asks it whether it works.
type Checker struct {
	Factories connectors.Factories
	Registry  *connectors.Registry
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=connectors,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=connectors/status,verbs=patch

// SetupWithManager registers the controller.
func SetupWithManager(mgr ctrl.Manager, checker *Checker, seen *configuration.Seen) error {
	changes := make(chan event.GenericEvent, maxChanges)
	checker.Registry.OnCircuit(func(key types.NamespacedName) {
		select {
		case changes <- event.GenericEvent{Object: &v1alpha1.Connector{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}}:
		default: // the next check tells
		}
	})
	return ctrl.NewControllerManagedBy(mgr).Named("connector").
		For(&v1alpha1.Connector{}, configuration.SpecChanges()).
		WatchesRawSource(source.Channel(changes, &handler.EnqueueRequestForObject{})).
		Complete(&configuration.Reconciler[*v1alpha1.Connector]{
			Client: mgr.GetClient(), Checker: checker, Every: healthEvery, Seen: seen,
			New: func() *v1alpha1.Connector { return &v1alpha1.Connector{} },
		})
}

// Check implements configuration.Checker. A connector that fails its check stays
// available: what it offers is still known, and who uses it hears what is wrong.
func (c *Checker) Check(ctx context.Context, spec *v1alpha1.Connector) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	built, err := c.build(ctx, spec)
	if err != nil {
		c.Registry.Delete(spec.Namespace, spec.Name)
		spec.Status.Operations = nil
		return "", err
	}
	c.Registry.Set(spec.Namespace, spec.Name, built)
	spec.Status.Operations = offered(built)
	err = c.health(ctx, spec)
	if errors.Is(err, connectors.ErrForbidden) {
		return "", configuration.Await(v1alpha1.ReasonForbidden, err)
	}
	return fmt.Sprintf("acts as ServiceAccount %s, %d operations", spec.Spec.ServiceAccountName, len(spec.Status.Operations)), err
}

// health asks the tool, and says whether it is called at all.
func (c *Checker) health(ctx context.Context, spec *v1alpha1.Connector) error {
	held, err := c.Registry.Get(spec.Namespace, spec.Name)
	if err != nil {
		return err
	}
	err = held.Check(ctx)
	closed, open := c.Registry.CircuitClosed(spec.Namespace, spec.Name), 0.0
	reason, message := v1alpha1.ReasonAnswering, ""
	if !closed {
		open, reason, message = 1, v1alpha1.ReasonTooManyFailures, "the tool did not answer several calls in a row and is not called for a while; then the next call decides"
	}
	conditions.Set(&spec.Status.Conditions, v1alpha1.ConditionCircuitClosed, closed, spec.Generation, reason, message)
	circuitOpen.WithLabelValues(spec.Namespace, spec.Name).Set(open)
	return err
}

func (c *Checker) build(ctx context.Context, spec *v1alpha1.Connector) (connectors.Connector, error) {
	factory, ok := c.Factories[spec.Spec.Type]
	if !ok {
		return nil, configuration.Reject(v1alpha1.ReasonUnsupported, fmt.Errorf("spec.type: %q is not built in", spec.Spec.Type))
	}
	built, err := factory(ctx, spec)
	if err != nil {
		return nil, configuration.Reject(v1alpha1.ReasonInvalidSpec, err)
	}
	return built, nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) {
	c.Registry.Delete(key.Namespace, key.Name)
	circuitOpen.DeleteLabelValues(key.Namespace, key.Name)
}

func offered(c connectors.Connector) []v1alpha1.OperationStatus {
	var list []v1alpha1.OperationStatus
	for _, o := range c.Operations() {
		if !o.InverseOnly {
			list = append(list, v1alpha1.OperationStatus{Name: o.Name, Mode: o.Mode, Risk: o.Risk, Undo: o.Undo})
		}
	}
	return list
}
