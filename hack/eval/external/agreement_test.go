package external

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/content"
)

func rule(name, when string) v1alpha1.DetectionRule {
	return v1alpha1.DetectionRule{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.DetectionRuleSpec{When: when, Title: name, Severity: v1alpha1.SeverityLow},
	}
}

func request(verb, user string) map[string]any {
	return map[string]any{"stage": "ResponseComplete", "verb": verb, "user": map[string]any{"username": user}}
}

func TestAgreement(t *testing.T) {
	rules := []v1alpha1.DetectionRule{rule("deleted", `event.verb == "delete"`), rule("by-alice", `event.user.username == "alice"`)}
	mapping := Mapping{
		Rules: map[string]Equivalent{
			"Deletion": {Shipped: []string{"deleted"}, Cases: map[string]string{"odd": "it is odd"}},
			"Feeling":  {Differs: "no event tells"},
		},
		Settings: map[string]Setting{
			"quiet":   {Without: []string{"by-alice"}},
			"trusted": {Exceptions: map[string]string{"deleted": `event.user.username == "bob"`}},
		},
	}
	tests := map[string]struct {
		c    Case
		want Report
	}{
		"both fire":            {Case{Rules: []string{"Deletion"}, Fires: true, Events: []map[string]any{request("get", "bob"), request("delete", "bob")}}, Report{Cases: 1, Agree: 1}},
		"only the other fires": {Case{Rules: []string{"Deletion"}, Fires: true, Events: []map[string]any{request("get", "bob")}}, Report{Cases: 1, Disagree: []Outcome{{Want: []string{"deleted"}}}}},
		"another rule fires": {
			Case{Rules: []string{"Deletion"}, Fires: true, Events: []map[string]any{request("get", "alice")}},
			Report{Cases: 1, Disagree: []Outcome{{Want: []string{"deleted"}, Got: []string{"by-alice"}}}},
		},
		"nothing may fire":        {Case{Events: []map[string]any{request("get", "alice")}}, Report{Cases: 1, Disagree: []Outcome{{Got: []string{"by-alice"}}}}},
		"nothing does":            {Case{Events: []map[string]any{request("get", "bob")}}, Report{Cases: 1, Agree: 1}},
		"one rule must be quiet":  {Case{Rules: []string{"Deletion"}, Events: []map[string]any{request("get", "alice")}}, Report{Cases: 1, Agree: 1}},
		"it is not":               {Case{Rules: []string{"Deletion"}, Events: []map[string]any{request("delete", "bob")}}, Report{Cases: 1, Disagree: []Outcome{{Unwanted: []string{"deleted"}, Got: []string{"deleted"}}}}},
		"a rule is not installed": {Case{Settings: []string{"quiet", "unknown"}, Events: []map[string]any{request("get", "alice")}}, Report{Cases: 1, Agree: 1}},
		"an exception":            {Case{Settings: []string{"trusted"}, Events: []map[string]any{request("delete", "bob")}}, Report{Cases: 1, Agree: 1}},
		"no equivalent":           {Case{Rules: []string{"Feeling"}, Fires: true}, Report{OnPurpose: []Outcome{{Why: "no event tells"}}}},
		"a test that differs":     {Case{Test: "odd", Rules: []string{"Deletion"}, Fires: true}, Report{OnPurpose: []Outcome{{Want: []string{"deleted"}, Why: "it is odd"}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Agreement([]Case{tt.c}, mapping, rules)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMappingErrors(t *testing.T) {
	rules := []v1alpha1.DetectionRule{rule("deleted", "true")}
	tests := map[string]struct {
		mapping Mapping
		want    string
	}{
		"no such rule":      {Mapping{Rules: map[string]Equivalent{"R": {Shipped: []string{"gone"}}}}, `rules.R.shipped: there is no rule "gone"`},
		"neither":           {Mapping{Rules: map[string]Equivalent{"R": {}}}, "rules.R: expected either shipped or differs"},
		"a setting's rule":  {Mapping{Settings: map[string]Setting{"s": {Without: []string{"gone"}}}}, `settings.s: there is no rule "gone"`},
		"an unmapped rule":  {Mapping{}, `rules: no entry for "R"`},
		"a wrong exception": {Mapping{Settings: map[string]Setting{"s": {Exceptions: map[string]string{"deleted": "event."}}}}, "rule deleted: spec.exceptions[0].when"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Agreement([]Case{{Rules: []string{"R"}, Fires: true, Settings: []string{"s"}}}, tt.mapping, rules)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestMappings: every rule that the mappings name ships.
func TestMappings(t *testing.T) {
	shipped, err := content.Detections("../../../config")
	if err != nil {
		t.Fatal(err)
	}
	optional, err := content.Optional("../../../config")
	if err != nil {
		t.Fatal(err)
	}
	shipped = append(shipped, optional...)
	for name, read := range map[string]func() (Mapping, error){"Falco": Falco, "Panther": Panther} {
		t.Run(name, func(t *testing.T) {
			mapping, err := read()
			if err != nil {
				t.Fatal(err)
			}
			if err := mapping.check(shipped); err != nil {
				t.Error(err)
			}
		})
	}
}
