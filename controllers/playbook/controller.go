// Package playbook puts Playbooks in force.
package playbook

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// Checker compiles a playbook against the connectors of its namespace and runs its tests.
type Checker struct {
	Registry *connectors.Registry
	Store    *Store
	// Ready returns once every Connector that exists was checked: before that, right
	// after a start, an operation that is not known is no mistake of the playbook.
	Ready func(context.Context) error
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=playbooks,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=playbooks/status,verbs=patch

// SetupWithManager registers the controller. A connector that comes or goes
// changes which operations exist, so its namespace's playbooks are checked again.
func SetupWithManager(mgr ctrl.Manager, checker *Checker, seen *configuration.Seen) error {
	c := mgr.GetClient()
	ofNamespace := func(ctx context.Context, object client.Object) []reconcile.Request {
		var list v1alpha1.PlaybookList
		if err := c.List(ctx, &list, client.InNamespace(object.GetNamespace())); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Cannot list playbooks; they are not checked again", "namespace", object.GetNamespace())
			return nil
		}
		var requests []reconcile.Request
		for i := range list.Items {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		return requests
	}
	return ctrl.NewControllerManagedBy(mgr).Named("playbook").
		For(&v1alpha1.Playbook{}, configuration.SpecChanges()).
		Watches(&v1alpha1.Connector{}, handler.EnqueueRequestsFromMapFunc(ofNamespace)).
		Complete(&configuration.Reconciler[*v1alpha1.Playbook]{
			Client: c, Checker: checker, Seen: seen,
			New: func() *v1alpha1.Playbook { return &v1alpha1.Playbook{} },
		})
}

// Check implements configuration.Checker.
func (c *Checker) Check(ctx context.Context, p *v1alpha1.Playbook) (string, error) {
	if err := c.Ready(ctx); err != nil {
		return "", err
	}
	key := client.ObjectKeyFromObject(p)
	compiled, err := playbook.Compile(p.Name, p.Spec, c.Registry.Catalog(p.Namespace))
	if errors.Is(err, playbook.ErrUnknownOperation) {
		c.Forget(key)
		return "", configuration.Reject(v1alpha1.ReasonUnknownOperation, err)
	}
	if err != nil {
		c.Forget(key)
		return "", configuration.Reject(v1alpha1.ReasonCompileFailed, err)
	}
	if err := compiled.RunTests(); err != nil {
		c.Forget(key)
		return "", configuration.Reject(v1alpha1.ReasonTestsFailed, err)
	}
	if p.Spec.Mode == v1alpha1.PlaybookDisabled {
		c.Forget(key)
		return fmt.Sprintf("disabled by spec.mode, %d tests passed", len(p.Spec.Tests)), nil
	}
	c.Store.set(key, compiled)
	return fmt.Sprintf("in force, %d tests passed", len(p.Spec.Tests)), nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) { c.Store.delete(key) }
