// Package detectionrule puts DetectionRules in force.
package detectionrule

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/detect"
)

// Checker compiles a rule and runs its tests.
type Checker struct{ Engine *detect.Engine }

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=detectionrules,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=detectionrules/status,verbs=patch

// SetupWithManager registers the controller.
func SetupWithManager(mgr ctrl.Manager, checker *Checker, seen *configuration.Seen) error {
	return ctrl.NewControllerManagedBy(mgr).Named("detectionrule").
		For(&v1alpha1.DetectionRule{}, configuration.SpecChanges()).
		Complete(&configuration.Reconciler[*v1alpha1.DetectionRule]{
			Client: mgr.GetClient(), Checker: checker, Seen: seen,
			New: func() *v1alpha1.DetectionRule { return &v1alpha1.DetectionRule{} },
		})
}

// Check implements configuration.Checker.
func (c *Checker) Check(_ context.Context, rule *v1alpha1.DetectionRule) (string, error) {
	compiled, err := detect.Compile(rule)
	if err != nil {
		c.Engine.Delete(rule.Namespace, rule.Name)
		return "", configuration.Reject(v1alpha1.ReasonCompileFailed, err)
	}
	if err := compiled.RunTests(); err != nil {
		c.Engine.Delete(rule.Namespace, rule.Name)
		return "", configuration.Reject(v1alpha1.ReasonTestsFailed, err)
	}
	c.Engine.Set(rule.Namespace, rule.Name, compiled)
	return fmt.Sprintf("in force, %d tests passed", len(rule.Spec.Tests)), nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) { c.Engine.Delete(key.Namespace, key.Name) }
