package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const passing = "package tocsin.approval_test\n\ntest_true if true\n"

func hours(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Hour}
}

// spec is a policy with a body in the right package and a test that passes.
func spec(body string) v1alpha1.ApprovalPolicySpec {
	return v1alpha1.ApprovalPolicySpec{Module: "package tocsin.approval\n\n" + body, Tests: passing}
}

func TestCompileRefuses(t *testing.T) {
	allow := "allow contains \"x\" if true\n"
	tests := map[string]struct {
		spec v1alpha1.ApprovalPolicySpec
		want []string
	}{
		"empty":          {v1alpha1.ApprovalPolicySpec{Module: "", Tests: passing}, []string{"spec.module", "empty module"}},
		"comment only":   {v1alpha1.ApprovalPolicySpec{Module: "# nothing", Tests: passing}, []string{"spec.module"}},
		"not Rego":       {spec("allow contains { if"), []string{"spec.module:3:"}},
		"Rego v0":        {spec("allow[\"x\"] { true }"), []string{"spec.module:3:1", "contains"}},
		"other package":  {v1alpha1.ApprovalPolicySpec{Module: "package main\n" + allow, Tests: passing}, []string{"spec.module:1:1", "must be tocsin.approval, not main"}},
		"test package":   {v1alpha1.ApprovalPolicySpec{Module: "package tocsin.approval\n" + allow, Tests: "package tocsin.approval\ntest_x if true"}, []string{"spec.tests:1:1", "must be tocsin.approval_test"}},
		"tests not Rego": {v1alpha1.ApprovalPolicySpec{Module: "package tocsin.approval\n" + allow, Tests: "package tocsin.approval_test\n\ntest_x if {"}, []string{"spec.tests:3:"}},
		"tests unsafe":   {v1alpha1.ApprovalPolicySpec{Module: "package tocsin.approval\n" + allow, Tests: "package tocsin.approval_test\n\ntest_x if y == 1"}, []string{"spec.tests:3:", "y"}},
		"says nothing":   {spec("x := 1"), []string{"spec.module:1:1", "deny, require, allow, skip_evidence"}},
		"not a set":      {spec("deny if true"), []string{"spec.module:3:1", "write deny contains"}},
		"an object":      {spec("require[\"tier\"] := \"analyst\""), []string{"spec.module:3:1", "require must be a set"}},
		"nested":         {spec("allow.really contains \"x\" if true"), []string{"spec.module:3:1", "allow must be a set"}},
		"a flag":         {spec("skip_evidence := true"), []string{"skip_evidence must be a set"}},
		"complete":       {spec("allow := {\"x\"}"), []string{"allow must be a set"}},
		"type error":     {spec("allow contains \"x\" if count(1) == 2"), []string{"spec.module:3:23", "count"}},
		"unused":         {spec("allow contains \"x\" if { y := 1; true }"), []string{"spec.module:3:", "y"}},
		"recursion":      {spec("f(x) := f(x)\n" + allow), []string{"spec.module:3:1", "recursive"}},
		"other data":     {spec("allow contains \"x\" if data.users[input.action.requestedBy]"), []string{"spec.module:3:23", "no data but its own"}},
		"all data":       {spec("allow contains \"x\" if data[input.action.name].x"), []string{"spec.module:3:23"}},
		"imported data":  {spec("import data.users\n\nallow contains \"x\" if users.alice"), []string{"data.users"}},
		"its tests":      {spec("allow contains \"x\" if data.tocsin.approval_test.test_true"), []string{"data.tocsin.approval_test.test_true"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(t.Context(), name, tt.spec)
			var compile *CompileError
			if !errors.As(err, &compile) {
				t.Fatalf("error is %T %v, want a CompileError", err, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestPoliciesReachNothing(t *testing.T) {
	for _, call := range []string{
		`http.send({"method": "get", "url": "http://127.0.0.1/"})`,
		`net.lookup_ip_addr("example.org")`,
		`net.cidr_expand("10.0.0.0/8")`,
		`opa.runtime()`,
		`time.now_ns()`,
		`rand.intn("x", 5)`,
		`uuid.rfc4122("x")`,
		`trace("x")`,
		`json.match_schema({}, {"$ref": "http://127.0.0.1/"})`,
		`io.jwt.decode_verify("x", {})`,
		`crypto.x509.parse_and_verify_certificates("x")`,
	} {
		t.Run(call, func(t *testing.T) {
			inModule := spec("allow contains \"x\" if " + call)
			inTests := spec("allow contains \"x\" if true")
			inTests.Tests = "package tocsin.approval_test\n\ntest_x if " + call
			for field, s := range map[string]v1alpha1.ApprovalPolicySpec{"spec.module:3": inModule, "spec.tests:3": inTests} {
				_, err := Compile(t.Context(), "hostile", s)
				var compile *CompileError
				if !errors.As(err, &compile) || !strings.Contains(err.Error(), field) {
					t.Errorf("error is %v, want a CompileError in %s", err, field)
				}
			}
		})
	}
}

func TestOwnTestsMustPass(t *testing.T) {
	tests := map[string]struct {
		tests string
		want  []string
	}{
		"none":    {"x := 1", []string{"spec.tests", "at least one"}},
		"skipped": {"todo_test_later if true", []string{"at least one"}},
		"fails": {
			"test_good if true\n\ntest_bad if false\n\ntest_worse if 1 == 2",
			[]string{"2 of 3", "spec.tests:5:1: test_bad", "spec.tests:7:1: test_worse"},
		},
		"undefined":     {"test_bad if input.no.such.field", []string{"test_bad"}},
		"builtin error": {"test_bad if to_number(\"x\") == 1", []string{"test_bad", "to_number"}},
		"not boolean":   {"test_bad := false", []string{"test_bad"}},
		"endless":       {"test_bad if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta + b == 0\n}", []string{"test_bad"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := spec("allow contains \"x\" if true")
			s.Tests = "package tocsin.approval_test\n\n" + tt.tests
			_, err := Compile(t.Context(), name, s)
			var failed *TestsError
			if !errors.As(err, &failed) {
				t.Fatalf("error is %T %v, want a TestsError", err, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestApprovalTTLMustBePositive(t *testing.T) {
	for _, ttl := range []time.Duration{0, -time.Second} {
		s := spec("allow contains \"x\" if true")
		s.ApprovalTTL = &metav1.Duration{Duration: ttl}
		_, err := Compile(t.Context(), "ttl", s)
		var invalid *SpecError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "spec.approvalTTL") {
			t.Errorf("%s: error is %v, want a SpecError", ttl, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("package tocsin.approval\nallow contains \"x\" if true", passing)
	f.Add("package tocsin.approval\ndeny contains msg if { msg := data }", "package tocsin.approval_test\ntest_x if data.tocsin.approval")
	f.Fuzz(func(t *testing.T, module, tests string) {
		p, err := Compile(t.Context(), "fuzz", v1alpha1.ApprovalPolicySpec{Module: module, Tests: tests})
		if (p == nil) == (err == nil) {
			t.Fatalf("policy %v, error %v", p, err)
		}
		if p != nil {
			Decide(t.Context(), []Candidate{{Name: "fuzz", Policy: p}}, Input{})
		}
	})
}
