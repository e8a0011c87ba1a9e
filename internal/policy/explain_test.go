package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const speaks = `package tocsin.approval

allow contains "a label" if input.action.operation == "label"
`

// TestTestsExplain: what did not hold is shown, with what its variables were.
func TestTestsExplain(t *testing.T) {
	tests := map[string]struct {
		tests string
		want  []string
	}{
		"passes": {`test_label if count(data.tocsin.approval.allow) == 1 with input.action.operation as "label"`, []string{"3 data.tocsin.approval_test.test_label: passes"}},
		"a value": {`test_label if {
	said := data.tocsin.approval.allow with input.action.operation as "scale"
	count(said) == 1
}`, []string{"5 data.tocsin.approval_test.test_label: count(said) == 1 does not hold; said is set()"}},
		"in a function": {`said(operation) := what if what := data.tocsin.approval.allow with input.action.operation as operation

test_label if said("label") == {"b label"}

test_scale if said("scale") == set()`,
			[]string{
				`5 data.tocsin.approval_test.test_label: said("label") == {"b label"} does not hold`,
				"7 data.tocsin.approval_test.test_scale: passes",
			}},
		"not yet":        {"todo_test_later if false\n\ntest_now if true", []string{"5 data.tocsin.approval_test.test_now: passes"}},
		"a builtin errs": {`test_label if to_number("x") == 1`, []string{"3 data.tocsin.approval_test.test_label: "}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Check(v1alpha1.ApprovalPolicySpec{Module: speaks, Tests: "package tocsin.approval_test\n\n" + tt.tests})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			results, _ := c.Tests(t.Context())
			for i, test := range results {
				text := fmt.Sprintf("%d data.tocsin.approval_test.%s: passes", test.Row, test.Name)
				if test.Err != nil {
					text = fmt.Sprintf("%d data.tocsin.approval_test.%s: %v", test.Row, test.Name, test.Err)
				}
				if name == "a builtin errs" {
					text = text[:min(len(text), len(tt.want[i]))]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemarks(t *testing.T) {
	tests := map[string]struct {
		module, tests string
		want          []string
	}{
		"nothing to say":     {speaks, passing, nil},
		"any argument":       {"package tocsin.approval\n\nallow contains \"x\" if input.action.arguments.anything.below == 1", passing, nil},
		"an entity":          {"package tocsin.approval\n\nallow contains \"x\" if input.investigation.entities[_].type == \"Pod\"", passing, nil},
		"a misspelt field":   {"package tocsin.approval\n\nallow contains \"x\" if input.action.operaton == \"label\"", passing, []string{"3 spec.module: no input has input.action.operaton; there are [arguments"}},
		"at the top":         {"package tocsin.approval\n\ndeny contains \"x\" if not input.acton", passing, []string{"3 spec.module: no input has input.acton; there are [action"}},
		"in an entity":       {"package tocsin.approval\n\nallow contains \"x\" if input.investigation.entities[_].kind == \"Pod\"", passing, []string{"3 spec.module: no input has input.investigation.entities[_].kind; there are [role type value]"}},
		"through an import":  {"package tocsin.approval\n\nimport input.action\n\nallow contains \"x\" if action.kind == \"label\"", passing, []string{"5 spec.module: no input has input.action.kind;"}},
		"a computed field":   {"package tocsin.approval\n\nallow contains \"x\" if input.action[input.plan.summary] == \"label\"", passing, nil},
		"no test among them": {speaks, "package tocsin.approval_test\n\ntset_x if true", []string{"0 spec.tests: has no rule whose name starts with test_"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Check(v1alpha1.ApprovalPolicySpec{Module: tt.module, Tests: tt.tests})
			if err != nil {
				t.Fatal(err)
			}
			got := c.Remarks()
			if len(got) != len(tt.want) {
				t.Fatalf("%v, want %q", got, tt.want)
			}
			for i, r := range got {
				if text := fmt.Sprintf("%d %s: %s", r.Row, r.Path, r.Message); !strings.HasPrefix(text, tt.want[i]) {
					t.Errorf("%q, want %q", text, tt.want[i])
				}
			}
		})
	}
}
