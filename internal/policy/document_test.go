package policy

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func fenced(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/policy-input.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n```"+language+"\n")
	if !found {
		t.Fatal("docs/policy-input.md has no " + language)
	}
	block, _, _ := strings.Cut(rest, "\n```")
	return block
}

// The documented document has the fields of Input, all and no others.
func TestTheDocumentedInputIsTheInput(t *testing.T) {
	var documented map[string]any
	if err := json.Unmarshal([]byte(fenced(t, "json")), &documented); err != nil {
		t.Fatal(err)
	}
	var in Input
	strict := json.NewDecoder(strings.NewReader(fenced(t, "json")))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&in); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(in.complete())
	if err != nil {
		t.Fatal(err)
	}
	var actual map[string]any
	if err := json.Unmarshal(raw, &actual); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(documented, actual); diff != "" {
		t.Errorf("document (-documented +actual):\n%s", diff)
	}
}

func TestTheDocumentedPolicyCompiles(t *testing.T) {
	module := fenced(t, "rego")
	s := v1alpha1.ApprovalPolicySpec{Module: module, Tests: passing}
	p, err := Compile(t.Context(), "documented", s)
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Action: Action{Risk: v1alpha1.RiskLow}, Target: Target{Criticality: "high"}, Time: Time{Hour: 3}}
	if d := Decide(t.Context(), []Candidate{{Name: "documented", Policy: p}}, in); d.Tier != v1alpha1.TierSenior {
		t.Errorf("at three in the morning: %+v", d)
	}
	in.Time.Hour = 9
	if d := Decide(t.Context(), []Candidate{{Name: "documented", Policy: p}}, in); d.Outcome != v1alpha1.DecisionAllow {
		t.Errorf("at nine: %+v", d)
	}
	in.Plan.Target.Namespace = "load-test"
	if d := Decide(t.Context(), []Candidate{{Name: "documented", Policy: p}}, in); len(d.SkipEvidence) != 1 {
		t.Errorf("in a load test: %+v", d)
	}
}

// What the page says does not compile is what TestPoliciesReachNothing tries.
func TestTheDocumentedBuiltinsAreRefused(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy-input.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "other data:")
	sentence, _, _ := strings.Cut(rest, "do not compile")
	named := regexp.MustCompile("`([a-z0-9_.]+)\\*?`").FindAllStringSubmatch(sentence, -1)
	if len(named) < 7 {
		t.Fatalf("only %d builtins are named", len(named))
	}
	for _, match := range named {
		for _, b := range capabilities().Builtins {
			if match[1] != "data" && strings.HasPrefix(b.Name, match[1]) {
				t.Errorf("%s is said not to compile, but %s does", match[0], b.Name)
			}
		}
	}
}
