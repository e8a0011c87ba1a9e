package admission

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	strictyaml "sigs.k8s.io/yaml"

	manifests "github.com/tocsin-dev/tocsin/config/admission"
)

func TestEveryRuleDeniesAndFailsClosed(t *testing.T) {
	rules, err := Rules(manifests.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		t.Run(rule.Policy.Name, func(t *testing.T) {
			if got := rule.Policy.Spec.FailurePolicy; got == nil || *got != admissionv1.Fail {
				t.Errorf("failurePolicy is %v, want Fail", got)
			}
			want := admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName:        rule.Policy.Name,
				ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			}
			if diff := cmp.Diff(want, rule.Binding.Spec); diff != "" {
				t.Errorf("binding (-want +got):\n%s", diff)
			}
			for i, validation := range rule.Policy.Spec.Validations {
				if validation.Message == "" && validation.MessageExpression == "" {
					t.Errorf("validations[%d] refuses without a word", i)
				}
			}
		})
	}
}

func TestRulesSpeakOfTheOperatorWhereItRuns(t *testing.T) {
	rules, err := Rules("soc-platform")
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for _, rule := range rules {
		raw, err := strictyaml.Marshal(rule)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), manifests.Namespace) {
			t.Errorf("%s still names %s", rule.Policy.Name, manifests.Namespace)
		}
		named = named || strings.Contains(string(raw), "system:serviceaccount:soc-platform:tocsin")
	}
	if !named {
		t.Error("no policy names system:serviceaccount:soc-platform:tocsin")
	}
	if _, err := Rules(""); err == nil {
		t.Error("without a namespace: no error")
	}
}

func TestWhatIsInstalledIsWhatIsEmbedded(t *testing.T) {
	raw, err := os.ReadFile("../../config/admission/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		APIVersion, Kind string
		Resources        []string
	}
	if err := strictyaml.UnmarshalStrict(raw, &kustomization); err != nil {
		t.Fatal(err)
	}
	embedded, err := fs.Glob(manifests.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(embedded, kustomization.Resources); diff != "" {
		t.Errorf("resources of the kustomization (-embedded +installed):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const policy = "kind: ValidatingAdmissionPolicy\nspec: {failurePolicy: Fail}\n"
	const binding = "---\nkind: ValidatingAdmissionPolicyBinding\nspec: {policyName: p}\n"
	tests := map[string]struct {
		raw  string
		want string
	}{
		"a policy and its binding":   {raw: policy + binding},
		"a policy alone":             {raw: policy, want: "expected a policy and its binding"},
		"nothing":                    {raw: "", want: "expected a policy and its binding"},
		"a binding too many":         {raw: policy + binding + binding, want: "expected nothing after the binding"},
		"a field that is misspelled": {raw: policy + strings.Replace(binding, "policyName", "policy", 1), want: "unknown field"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decode([]byte(tc.raw))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got error %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got error %v, want %q", err, tc.want)
			}
		})
	}
}
