package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/lint"
)

const halfTested = `
apiVersion: soc.tocsin.dev/v1alpha1
kind: ApprovalPolicy
metadata: {name: half}
spec:
  module: |
    package tocsin.approval

    allow contains "a label" if input.action.operation == "label"

    deny contains "never tried" if {
    	input.action.operation == "drain"
    	input.target.criticality == "high"
    }
  tests: |
    package tocsin.approval_test

    import data.tocsin.approval

    test_label if count(approval.allow) == 1 with input as {"action": {"operation": "label"}}
`

// took is how long a test ran, which is not what is tested.
var took = regexp.MustCompile(`\(\d+\.\d\ds\)`)

func TestPolicyTest(t *testing.T) {
	const covered = " 25.0 % of ApprovalPolicy half is covered: 1 of 4 lines\n      soc/a.yaml:11: no test evaluates lines 11-13 of rule deny\n"
	tests := map[string]struct {
		policy, other string
		flags         []string
		want, wantErr string
	}{
		"pass":              {policy: halfTested, want: "PASS  ApprovalPolicy half: test_label (0.00s)\n" + covered + "1 test passed\n"},
		"others are left":   {policy: halfTested, other: badRule, want: "PASS  ApprovalPolicy half: test_label (0.00s)\n" + covered + "1 test passed\n"},
		"enough is covered": {policy: halfTested, flags: []string{"--min-coverage", "25"}, want: "PASS  ApprovalPolicy half: test_label (0.00s)\n" + covered + "1 test passed\n"},
		"too little is covered": {
			policy: halfTested, flags: []string{"--min-coverage=26"}, want: "PASS  ApprovalPolicy half: test_label (0.00s)\n" + covered,
			wantErr: "soc/a.yaml:4: the tests of ApprovalPolicy half cover 25.0 % of its lines, less than the 26 % of --min-coverage",
		},
		"no percentage": {policy: halfTested, flags: []string{"--min-coverage=101"}, wantErr: "--min-coverage: must be 0 to 100 percent, not 101"},
		"fails": {
			policy: strings.Replace(halfTested, `{"operation": "label"}`, `{"operation": "drain"}`, 1),
			want: "FAIL  ApprovalPolicy half: test_label (0.00s)\n" +
				"      soc/a.yaml:20: count(approval.allow) == 1 with input as {\"action\": {\"operation\": \"drain\"}} does not hold\n" +
				"  0.0 % of ApprovalPolicy half is covered: 0 of 4 lines\n      soc/a.yaml:9: no test evaluates line 9 of rule allow\n      soc/a.yaml:11: no test evaluates lines 11-13 of rule deny\n",
			wantErr: "1 of 1 test failed",
		},
		"a document that cannot be": {
			policy: strings.Replace(halfTested, `{"operation": "label"}`, `{"operation": "label", "risk": "low"}`, 1),
			want: "FAIL  ApprovalPolicy half: test_label (0.00s)\n" +
				"      soc/a.yaml:20: input.action.risk: value must be one of 'Low', 'Medium', 'High', 'Critical'\n" + covered,
			wantErr: "1 of 1 test failed",
		},
		"does not compile": {
			policy:  strings.Replace(halfTested, "if {\n    \tinput", "if {\n    \tinptu", 1),
			want:    "FAIL  ApprovalPolicy half (0.00s)\n      soc/a.yaml:12: spec.module: var inptu is unsafe\n",
			wantErr: "1 of 1 test failed",
		},
		"no policy": {policy: goodRule, wantErr: "nothing was tested: no ApprovalPolicy in soc has a test"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"soc/a.yaml": tt.policy, "soc/b.yaml": tt.other}
			a := onFiles(t, files, append([]string{"policy", "test", "soc"}, tt.flags...)...)
			if diff := cmp.Diff(tt.want, took.ReplaceAllString(a.out, "(0.00s)")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := errorText(a.err); got != tt.wantErr {
				t.Errorf("error %q, want %q", got, tt.wantErr)
			}
		})
	}
}

func TestPolicyTestForMachines(t *testing.T) {
	a := onFiles(t, map[string]string{"a.yaml": halfTested}, "policy", "test", "-o", "json", "a.yaml")
	must(t, a.err)
	var got lint.Policies
	must(t, json.Unmarshal([]byte(a.out), &got))
	want := []lint.Coverage{{File: "a.yaml", Line: 4, Name: "half", Covered: 1, Lines: 4, Percent: 25, Rules: []lint.CoveredRule{
		{Name: "allow", Line: 9, Covered: []int{9}, NotCovered: []int{}},
		{Name: "deny", Line: 11, Covered: []int{}, NotCovered: []int{11, 12, 13}},
	}}}
	if diff := cmp.Diff(want, got.Coverage); diff != "" || len(got.Results) != 1 {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
}

func TestLines(t *testing.T) {
	for want, numbers := range map[string][]int{"line 3": {3}, "lines 3-5": {3, 4, 5}, "lines 3, 5-6, 9": {3, 5, 6, 9}} {
		if got := lines(numbers); got != want {
			t.Errorf("%v: %q, want %q", numbers, got, want)
		}
	}
}

func TestPolicyAlone(t *testing.T) {
	a := onFiles(t, nil, "policy")
	if a.err == nil || !strings.Contains(a.err.Error(), "nothing was tried") {
		t.Errorf("error %v", a.err)
	}
}
