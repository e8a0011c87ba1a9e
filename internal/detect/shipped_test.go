package detect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// shipped rules are installed; optional ones are for those who want them.
const (
	shipped  = "../../config/detections"
	optional = shipped + "/optional"
)

// loadShipped returns the shipped rules by file.
func loadShipped(t testing.TB) map[string]*v1alpha1.DetectionRule { return loadRules(t, shipped) }

func loadRules(t testing.TB, folder string) map[string]*v1alpha1.DetectionRule {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
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
		t.Fatal("no rules in " + folder)
	}
	return rules
}

func TestShippedRules(t *testing.T)  { testRules(t, shipped) }
func TestOptionalRules(t *testing.T) { testRules(t, optional) }

func testRules(t *testing.T, folder string) {
	kustomization, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for file, rule := range loadRules(t, folder) {
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

// testBothWays demands several examples of both kinds.
func testBothWays(t *testing.T, tests []v1alpha1.DetectionTest) {
	t.Helper()
	seen := map[v1alpha1.DetectionExpectation]int{}
	for _, test := range tests {
		seen[test.Expect]++
	}
	if seen[v1alpha1.ExpectMatch] < 2 || seen[v1alpha1.ExpectNoMatch] < 2 {
		t.Errorf("tests are %v, want at least two of each", seen)
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

// Whoever asks for something may ask for so much of it that looking at all costs too much.
func TestShippedRulesAreNotOutgrown(t *testing.T) {
	const event = `{"level":"Request","auditID":"a","stage":"ResponseComplete","verb":"create","user":{"username":"alice"},"responseStatus":{"code":201},`
	tests := map[string]string{
		"rbac-escalation-granted": event + `"objectRef":{"resource":"clusterroles","apiGroup":"rbac.authorization.k8s.io","name":"x"},
			"requestObject":{"rules":[{"verbs":["a"` + strings.Repeat(`,"a"`, 300_000) + `,"escalate"]}]}}`,
		"pod-with-node-access": event + `"objectRef":{"resource":"pods","namespace":"shop","name":"x"},
			"requestObject":{"spec":{"containers":[{"name":"c"}` + strings.Repeat(`,{"name":"c"}`, 100_000) + `],"volumes":[{"hostPath":{"path":"/"}}]}}}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			engine := NewEngine(time.Now, func(_, rule string, err error) { t.Logf("%s: %.200v", rule, err) })
			for _, rule := range loadShipped(t) {
				compiled, err := Compile(rule)
				if err != nil {
					t.Fatal(err)
				}
				engine.Set("soc", rule.Name, compiled)
			}
			var found []string
			for _, alert := range engine.Detect("soc", decode(t, text)) {
				found = append(found, alert.Rule)
			}
			if !slices.Contains(found, name) {
				t.Errorf("found %v, want %s", found, name)
			}
		})
	}
}
