package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const shipped = "../../config/policies"

// loadShipped returns the shipped policies by name.
func loadShipped(t testing.TB) map[string]*v1alpha1.ApprovalPolicy {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shipped, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	policies := map[string]*v1alpha1.ApprovalPolicy{}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := &v1alpha1.ApprovalPolicy{}
		if err := yaml.UnmarshalStrict(text, p); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		policies[p.Name] = p
	}
	if len(policies) == 0 {
		t.Fatal("no policies in " + shipped)
	}
	return policies
}

func TestShippedPoliciesCompile(t *testing.T) {
	var listed struct {
		Resources []string `json:"resources"`
	}
	text, err := os.ReadFile(filepath.Join(shipped, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &listed); err != nil {
		t.Fatal(err)
	}
	var files []string
	for name, p := range loadShipped(t) {
		files = append(files, name+".yaml")
		if _, err := Compile(t.Context(), name, p.Spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(files, listed.Resources, sorted); diff != "" {
		t.Errorf("kustomization.yaml (-files +listed):\n%s", diff)
	}
}

// Every policy of the library can be copied as it is: all of it is tested, and the
// document that operators make holds no surprise for it.
func TestLibrary(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shipped, "library", "*.yaml"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	var in Input
	if err := json.Unmarshal([]byte(fenced(t, "json")), &in); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &v1alpha1.ApprovalPolicy{}
			if err := yaml.UnmarshalStrict(text, p); err != nil {
				t.Fatal(err)
			}
			if p.Name != name || !strings.Contains(string(page), "policies/library/"+name+".yaml") {
				t.Errorf("it is called %s, and must have its place in docs/policies.md", p.Name)
			}
			checked, err := Check(p.Spec)
			if err != nil {
				t.Fatal(err)
			}
			results, coverage := checked.Tests(t.Context())
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%s: %v", r.Name, r.Err)
				}
			}
			for _, r := range coverage.Rules {
				if len(r.NotCovered) > 0 {
					t.Errorf("no test evaluates rows %v of rule %s", r.NotCovered, r.Name)
				}
			}
			compiled, err := Compile(t.Context(), name, p.Spec)
			if err != nil {
				t.Fatal(err)
			}
			for _, reason := range Decide(t.Context(), []Candidate{NewCandidate(name, p.Spec, compiled, nil)}, in).Reasons {
				if strings.Contains(reason, "cannot be asked") {
					t.Error(reason)
				}
			}
		})
	}
}

// Through Decide, with the input as the operator makes it.
func TestContainment(t *testing.T) {
	spec := loadShipped(t)["containment"].Spec
	compiled, err := Compile(t.Context(), "containment", spec)
	if err != nil {
		t.Fatal(err)
	}
	candidates := []Candidate{NewCandidate("containment", spec, compiled, nil)}
	tests := map[string]struct {
		operation string
		risk      v1alpha1.Risk
		target    PlanTarget
		want      v1alpha1.Decision
	}{
		"label": {
			"label", v1alpha1.RiskLow, PlanTarget{Kind: "Pod", Namespace: "shop", Name: "web-0"},
			v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Reasons: []string{"containment: a label changes nothing that runs"}},
		},
		"isolate": {
			"isolate-pod", v1alpha1.RiskMedium, PlanTarget{Kind: "Pod", Namespace: "shop", Name: "web-0"},
			demand(v1alpha1.TierAnalyst, 1, hours(1), "containment: isolate-pod cuts Pod shop/web-0 off the network"),
		},
		"remove a binding": {
			"remove-role-binding", v1alpha1.RiskHigh, PlanTarget{Kind: "ClusterRoleBinding", Name: "ops-sync"},
			demand(v1alpha1.TierSenior, 1, hours(1), "containment: remove-role-binding takes the rights away that ClusterRoleBinding ops-sync grants"),
		},
		"kube-system": {
			"label", v1alpha1.RiskLow, PlanTarget{Kind: "Pod", Namespace: "kube-system", Name: "coredns-0"},
			v1alpha1.Decision{
				Outcome: v1alpha1.DecisionDeny,
				Reasons: []string{"containment: Pod kube-system/coredns-0 is in kube-system, which runs the cluster"},
			},
		},
		"what it does not name": {
			"scale-to-zero", v1alpha1.RiskHigh, PlanTarget{Kind: "Deployment", Namespace: "shop", Name: "web"},
			demand(v1alpha1.TierSenior, 1, hours(1), "by default an operation of high risk waits for one senior"),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := Input{Action: Action{Operation: tt.operation, Risk: tt.risk}, Plan: Plan{Target: tt.target}}
			tt.want.Policies = []string{"containment"}
			if diff := cmp.Diff(tt.want, Decide(t.Context(), candidates, in)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}
