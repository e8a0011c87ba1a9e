package analyst

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	engine "github.com/tocsin-dev/tocsin/internal/analyst"
)

// windows remembers the correlation window of each namespace.
type windows map[string]time.Duration

func (w windows) SetWindow(namespace string, window time.Duration) { w[namespace] = window }

func (windows) SetAutomation(string, []string) {}

// automation remembers what was declared last.
type automation struct {
	windows
	users map[string][]string
}

func (a automation) SetAutomation(namespace string, users []string) { a.users[namespace] = users }

// What is declared as automation joins no alerts; when it is declared no longer, it does.
func TestAutomationIsTold(t *testing.T) {
	told := automation{windows{}, map[string][]string{}}
	checker := &Checker{Cases: told}
	declared := analyst(func(a *v1alpha1.Analyst) {
		a.Spec.KnownAutomation = []v1alpha1.KnownAutomation{{User: "ci"}, {User: "system:serviceaccount:gitops:deployer"}}
	})
	if _, err := checker.Check(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ci", "system:serviceaccount:gitops:deployer"}, told.users["soc"]); diff != "" {
		t.Errorf("automation (-want +got):\n%s", diff)
	}
	checker.Forget(types.NamespacedName{Namespace: "soc", Name: engine.DefaultName})
	if got := told.users["soc"]; got != nil {
		t.Errorf("forgotten, but still %v", got)
	}
}

func duration(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// analyst as the API server's defaults make it.
func analyst(alter ...func(*v1alpha1.Analyst)) *v1alpha1.Analyst {
	a := &v1alpha1.Analyst{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: engine.DefaultName},
		Spec:       v1alpha1.AnalystSpec{Connector: "tool", CorrelationWindow: duration(30 * time.Minute), QuestionTimeout: duration(time.Second)},
	}
	for _, f := range alter {
		f(a)
	}
	return a
}

func TestCheck(t *testing.T) {
	earlier := windows{"soc": 2 * time.Hour, "other": 3 * time.Hour}
	tests := map[string]struct {
		analyst *v1alpha1.Analyst

		wantErr     string
		wantWindows windows
		// wantSettings that hold where this is the Analyst of the namespace.
		wantSettings engine.Settings
	}{
		"in force": {
			analyst: analyst(), wantWindows: windows{"soc": 30 * time.Minute, "other": 3 * time.Hour},
			wantSettings: engine.Settings{
				Connector: "tool", Thresholds: engine.Defaults().Thresholds, CorrelationWindow: 30 * time.Minute, QuestionTimeout: time.Second,
			},
		},
		"another name": {
			analyst:     analyst(func(a *v1alpha1.Analyst) { a.Name = "second" }),
			wantErr:     `metadata.name: the Analyst of a namespace is the one named "default"`,
			wantWindows: earlier, wantSettings: engine.Defaults(),
		},
		"a window of nothing": {
			analyst: analyst(func(a *v1alpha1.Analyst) { a.Spec.CorrelationWindow = duration(0) }), wantErr: "spec.correlationWindow: must be longer than 0s",
			wantWindows: windows{"soc": engine.Defaults().CorrelationWindow, "other": 3 * time.Hour}, wantSettings: engine.Defaults(),
		},
		"a timeout before the question": {
			analyst: analyst(func(a *v1alpha1.Analyst) { a.Spec.QuestionTimeout = duration(-time.Second) }), wantErr: "spec.questionTimeout: must be longer than 0s",
			wantWindows: windows{"soc": engine.Defaults().CorrelationWindow, "other": 3 * time.Hour}, wantSettings: engine.Defaults(),
		},
		"thresholds of its own": {
			analyst:     analyst(func(a *v1alpha1.Analyst) { a.Spec.Thresholds = &v1alpha1.Thresholds{Confirm: 20, Dismiss: 17} }),
			wantWindows: windows{"soc": 30 * time.Minute, "other": 3 * time.Hour},
			wantSettings: engine.Settings{
				Connector: "tool", Thresholds: v1alpha1.Thresholds{Confirm: 20, Dismiss: 17}, CorrelationWindow: 30 * time.Minute, QuestionTimeout: time.Second,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cases := maps.Clone(earlier)
			_, err := (&Checker{Cases: cases}).Check(t.Context(), tc.analyst)
			if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("got %v, want %q", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.wantWindows, cases); diff != "" {
				t.Errorf("windows (-want +got):\n%s", diff)
			}
			got, err := For(t.Context(), reader(t, tc.analyst), "soc")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.wantSettings, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForget(t *testing.T) {
	cases := windows{"soc": 2 * time.Hour}
	checker := &Checker{Cases: cases}
	checker.Forget(types.NamespacedName{Namespace: "soc", Name: "second"})
	if cases["soc"] != 2*time.Hour {
		t.Errorf("an Analyst that was never in force took its namespace's window along: %s", cases["soc"])
	}
	checker.Forget(types.NamespacedName{Namespace: "soc", Name: engine.DefaultName})
	if cases["soc"] != engine.Defaults().CorrelationWindow {
		t.Errorf("the window is %s, want the default", cases["soc"])
	}
}

func reader(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}
