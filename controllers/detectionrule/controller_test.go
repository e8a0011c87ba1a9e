package detectionrule

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/detect"
)

func rule(when string, tests ...v1alpha1.DetectionTest) *v1alpha1.DetectionRule {
	return &v1alpha1.DetectionRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "listed"},
		Spec:       v1alpha1.DetectionRuleSpec{When: when, Title: "Somebody listed something", Severity: v1alpha1.SeverityLow, Tests: tests},
	}
}

const listed = `{"verb": "list", "stage": "ResponseComplete", "user": {"username": "alice"}, "objectRef": {"resource": "secrets"}, "responseStatus": {"code": 200}}`

func example(name string, expect v1alpha1.DetectionExpectation) v1alpha1.DetectionTest {
	return v1alpha1.DetectionTest{Name: name, Expect: expect, Event: runtime.RawExtension{Raw: []byte(listed)}}
}

// Each step is the same rule, edited: what is wrong is out of force at once.
func TestEditedRule(t *testing.T) {
	engine := detect.NewEngine(time.Now, func(string, string, error) {})
	checker := &Checker{Engine: engine}
	steps := []struct {
		name string
		rule *v1alpha1.DetectionRule

		wantMessage string
		wantErr     []string
		wantAlerts  int
	}{
		{
			name: "in force", rule: rule(`event.verb == "list"`, example("a list", v1alpha1.ExpectMatch)),
			wantMessage: "in force, 1 tests passed", wantAlerts: 1,
		},
		{name: "CEL that does not compile", rule: rule(`event.verb = "list"`), wantErr: []string{"spec.when"}},
		{
			name: "recovered", rule: rule(`event.verb == "list"`), wantMessage: "in force, 0 tests passed", wantAlerts: 1,
		},
		{
			name: "a test of its own fails", rule: rule(`event.verb == "list"`, example("nothing to see", v1alpha1.ExpectNoMatch)),
			wantErr: []string{"spec.tests[nothing to see]", "NoMatch"},
		},
		{
			name: "recovered again", rule: rule(`event.verb == "list"`, example("a list", v1alpha1.ExpectMatch)),
			wantMessage: "in force, 1 tests passed", wantAlerts: 1,
		},
	}
	for _, step := range steps {
		message, err := checker.Check(t.Context(), step.rule)
		if message != step.wantMessage || (err != nil) != (step.wantErr != nil) {
			t.Errorf("%s: got %q, %v", step.name, message, err)
		}
		for _, words := range step.wantErr {
			if err != nil && !strings.Contains(err.Error(), words) {
				t.Errorf("%s: the error does not say %q: %v", step.name, words, err)
			}
		}
		if got := alerts(t, engine); got != step.wantAlerts {
			t.Errorf("%s: %d alerts, want %d", step.name, got, step.wantAlerts)
		}
	}
	checker.Forget(client.ObjectKeyFromObject(steps[0].rule))
	if got := alerts(t, engine); got != 0 {
		t.Errorf("a deleted rule makes %d alerts", got)
	}
}

func alerts(t *testing.T, engine *detect.Engine) int {
	t.Helper()
	event := map[string]any{
		"verb": "list", "stage": "ResponseComplete", "user": map[string]any{"username": "alice"},
		"objectRef": map[string]any{"resource": "secrets"}, "responseStatus": map[string]any{"code": int64(200)},
	}
	return len(engine.Detect("soc", event))
}
