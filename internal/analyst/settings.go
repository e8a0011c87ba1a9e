package analyst

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// DefaultName is the Analyst that investigates its namespace.
const DefaultName = "default"

// CheckName refuses a name by which no Analyst is used.
func CheckName(name string) error {
	if name != DefaultName {
		return fmt.Errorf("metadata.name: the Analyst of a namespace is the one named %q; %q is not used", DefaultName, name)
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
		Thresholds:        v1alpha1.Thresholds{Confirm: defaultThreshold, Dismiss: defaultThreshold},
		CorrelationWindow: time.Hour,
		QuestionTimeout:   5 * time.Second,
	}
}

// SettingsOf an Analyst. The error names the field that keeps it out of force; then
// the defaults hold.
func SettingsOf(a *v1alpha1.Analyst) (Settings, error) {
	for _, d := range []struct {
		field string
		value *metav1.Duration
	}{{"spec.correlationWindow", a.Spec.CorrelationWindow}, {"spec.questionTimeout", a.Spec.QuestionTimeout}} {
		if d.value == nil || d.value.Duration <= 0 {
			return Defaults(), fmt.Errorf("%s: must be longer than 0s", d.field)
		}
	}
	settings := Defaults()
	settings.Connector = a.Spec.Connector
	settings.KnownAutomation = a.Spec.KnownAutomation
	settings.CorrelationWindow = a.Spec.CorrelationWindow.Duration
	settings.QuestionTimeout = a.Spec.QuestionTimeout.Duration
	if a.Spec.Thresholds != nil {
		settings.Thresholds = *a.Spec.Thresholds
	}
	return settings, nil
}
