// Package connector makes the configured tools available and watches their health.
package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
)

const (
	healthEvery  = time.Minute
	checkTimeout = 10 * time.Second
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
	return ctrl.NewControllerManagedBy(mgr).Named("connector").
		For(&v1alpha1.Connector{}, configuration.SpecChanges()).
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
	err = built.Check(ctx)
	if errors.Is(err, connectors.ErrForbidden) {
		return "", configuration.Await(v1alpha1.ReasonForbidden, err)
	}
	return fmt.Sprintf("acts as ServiceAccount %s, %d operations", spec.Spec.ServiceAccountName, len(spec.Status.Operations)), err
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
func (c *Checker) Forget(key types.NamespacedName) { c.Registry.Delete(key.Namespace, key.Name) }

func offered(c connectors.Connector) []v1alpha1.OperationStatus {
	var list []v1alpha1.OperationStatus
	for _, o := range c.Operations() {
		if !o.InverseOnly {
			list = append(list, v1alpha1.OperationStatus{Name: o.Name, Mode: o.Mode, Risk: o.Risk, Undo: o.Undo})
		}
	}
	return list
}
