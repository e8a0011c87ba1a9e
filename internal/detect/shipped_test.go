package detect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const shipped = "../../config/detections"

// loadShipped returns the shipped rules by file.
func loadShipped(t testing.TB) map[string]*v1alpha1.DetectionRule {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shipped, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]*v1alpha1.DetectionRule{}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rule := &v1alpha1.DetectionRule{}
		if err := yaml.UnmarshalStrict(text, rule); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		rules[file] = rule
	}
	if len(rules) == 0 {
		t.Fatal("no rules in " + shipped)
	}
	return rules
}

func TestShippedRules(t *testing.T) {
	kustomization, err := os.ReadFile(filepath.Join(shipped, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for file, rule := range loadShipped(t) {
		t.Run(rule.Name, func(t *testing.T) {
			if want := rule.Name + ".yaml"; filepath.Base(file) != want {
				t.Errorf("file is %s, want %s", file, want)
			}
			if !strings.Contains(string(kustomization), "- "+filepath.Base(file)+"\n") {
				t.Errorf("kustomization.yaml leaves out %s", file)
			}
			if rule.Namespace != "" {
				t.Errorf("namespace is %q, want none", rule.Namespace)
			}
			if len(rule.Spec.Techniques) == 0 {
				t.Error("no techniques")
			}
			compiled, err := Compile(rule)
			if err != nil {
				t.Fatal(err)
			}
			if err := compiled.RunTests(); err != nil {
				t.Error(err)
			}
			testBothWays(t, rule.Spec.Tests)
		})
	}
}

// testBothWays demands examples of both kinds.
func testBothWays(t *testing.T, tests []v1alpha1.DetectionTest) {
	t.Helper()
	seen := map[v1alpha1.DetectionExpectation]int{}
	for _, test := range tests {
		seen[test.Expect]++
	}
	if seen[v1alpha1.ExpectMatch] == 0 || seen[v1alpha1.ExpectNoMatch] == 0 {
		t.Errorf("tests are %v, want both Match and NoMatch", seen)
	}
}

// decode reads JSON as ingest does.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	return raw
}
