// Package analyst checks Analysts and tells which one investigates a namespace.
package analyst

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
)

// DefaultName is the Analyst that investigates its namespace.
const DefaultName = "default"

// Cases joins alerts to cases.
type Cases interface {
	SetWindow(namespace string, window time.Duration)
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
	return fmt.Sprintf("investigates namespace %s", a.Namespace), nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) {
	if key.Name == DefaultName {
		c.Cases.SetWindow(key.Namespace, Defaults().CorrelationWindow)
	}
}

func validate(a *v1alpha1.Analyst) error {
	if a.Name != DefaultName {
		return configuration.Reject(v1alpha1.ReasonUnsupported,
			fmt.Errorf("metadata.name: the Analyst of a namespace is the one named %q; %q is not used", DefaultName, a.Name))
	}
	durations := []struct {
		field string
		value *metav1.Duration
	}{{"spec.correlationWindow", a.Spec.CorrelationWindow}, {"spec.questionTimeout", a.Spec.QuestionTimeout}}
	for _, d := range durations {
		if d.value == nil || d.value.Duration <= 0 {
			return configuration.Reject(v1alpha1.ReasonInvalidSpec, fmt.Errorf("%s: must be longer than 0s", d.field))
		}
	}
	return nil
}

// Settings are an Analyst's spec with every default filled in.
type Settings struct {
	Connector         string
	Thresholds        v1alpha1.Thresholds
	CorrelationWindow time.Duration
	QuestionTimeout   time.Duration
	KnownAutomation   []v1alpha1.KnownAutomation
}

// Defaults hold where a namespace has no Analyst in force.
func Defaults() Settings {
	return Settings{
		Connector:         "cluster",
		Thresholds:        v1alpha1.Thresholds{Confirm: 13, Dismiss: 13},
		CorrelationWindow: time.Hour,
		QuestionTimeout:   5 * time.Second,
	}
}

// For returns the settings of a namespace.
func For(ctx context.Context, reader client.Reader, namespace string) (Settings, error) {
	settings := Defaults()
	var a v1alpha1.Analyst
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: DefaultName}, &a)
	if apierrors.IsNotFound(err) {
		return settings, nil
	}
	if err != nil {
		return settings, err
	}
	if validate(&a) != nil {
		return settings, nil // its conditions say what is wrong
	}
	settings.Connector = a.Spec.Connector
	settings.KnownAutomation = a.Spec.KnownAutomation
	settings.CorrelationWindow = a.Spec.CorrelationWindow.Duration
	settings.QuestionTimeout = a.Spec.QuestionTimeout.Duration
	if a.Spec.Thresholds != nil {
		settings.Thresholds = *a.Spec.Thresholds
	}
	return settings, nil
}
