// Package analyst checks Analysts and tells which one investigates a namespace.
package analyst

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	engine "github.com/tocsin-dev/tocsin/internal/analyst"
)

// Cases joins alerts to cases.
type Cases interface {
	SetWindow(namespace string, window time.Duration)
	SetAutomation(namespace string, users []string)
}

// Checker tells the parts that need it what an Analyst says.
type Checker struct{ Cases Cases }

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=analysts,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=analysts/status,verbs=patch

// SetupWithManager registers the controller.
func SetupWithManager(mgr ctrl.Manager, checker *Checker) error {
	return ctrl.NewControllerManagedBy(mgr).Named("analyst").
		For(&v1alpha1.Analyst{}, configuration.SpecChanges()).
		Complete(&configuration.Reconciler[*v1alpha1.Analyst]{
			Client: mgr.GetClient(), Checker: checker,
			New: func() *v1alpha1.Analyst { return &v1alpha1.Analyst{} },
		})
}

// Check implements configuration.Checker.
func (c *Checker) Check(_ context.Context, a *v1alpha1.Analyst) (string, error) {
	if err := validate(a); err != nil {
		c.Forget(types.NamespacedName{Namespace: a.Namespace, Name: a.Name})
		return "", err
	}
	c.Cases.SetWindow(a.Namespace, a.Spec.CorrelationWindow.Duration)
	c.Cases.SetAutomation(a.Namespace, users(a.Spec.KnownAutomation))
	return fmt.Sprintf("investigates namespace %s", a.Namespace), nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) {
	if key.Name == engine.DefaultName {
		c.Cases.SetWindow(key.Namespace, engine.Defaults().CorrelationWindow)
		c.Cases.SetAutomation(key.Namespace, nil)
	}
}

func users(known []v1alpha1.KnownAutomation) []string {
	var names []string
	for _, k := range known {
		names = append(names, k.User)
	}
	return names
}

func validate(a *v1alpha1.Analyst) error {
	if err := engine.CheckName(a.Name); err != nil {
		return configuration.Reject(v1alpha1.ReasonUnsupported, err)
	}
	if _, err := engine.SettingsOf(a); err != nil {
		return configuration.Reject(v1alpha1.ReasonInvalidSpec, err)
	}
	return nil
}

// For returns the settings of a namespace.
func For(ctx context.Context, reader client.Reader, namespace string) (engine.Settings, error) {
	var a v1alpha1.Analyst
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: engine.DefaultName}, &a)
	if err != nil {
		return engine.Defaults(), client.IgnoreNotFound(err)
	}
	settings, _ := engine.SettingsOf(&a) // its conditions say what is wrong
	return settings, nil
}
