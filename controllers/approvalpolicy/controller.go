// Package approvalpolicy puts ApprovalPolicies in force.
package approvalpolicy

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// Checker compiles a policy and runs its tests.
type Checker struct{ Policies *policy.Store }

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=approvalpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=approvalpolicies/status,verbs=patch

// SetupWithManager registers the controller.
func SetupWithManager(mgr ctrl.Manager, checker *Checker) error {
	return ctrl.NewControllerManagedBy(mgr).Named("approvalpolicy").
		For(&v1alpha1.ApprovalPolicy{}, configuration.SpecChanges()).
		Complete(&configuration.Reconciler[*v1alpha1.ApprovalPolicy]{
			Client: mgr.GetClient(), Checker: checker,
			New: func() *v1alpha1.ApprovalPolicy { return &v1alpha1.ApprovalPolicy{} },
		})
}

// Check implements configuration.Checker.
func (c *Checker) Check(ctx context.Context, p *v1alpha1.ApprovalPolicy) (string, error) {
	_, err := c.Policies.Compiled(ctx, p)
	var invalid *policy.SpecError
	var compile *policy.CompileError
	var tests *policy.TestsError
	switch {
	case errors.As(err, &invalid):
		return "", configuration.Reject(v1alpha1.ReasonInvalidSpec, err)
	case errors.As(err, &compile):
		return "", configuration.Reject(v1alpha1.ReasonCompileFailed, err)
	case errors.As(err, &tests):
		return "", configuration.Reject(v1alpha1.ReasonTestsFailed, err)
	case err != nil:
		return "", err
	}
	return "compiled, its tests pass, in force", nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) { c.Policies.Forget(key) }
