package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// candidate denies what is done to shop in a file of its own.
func candidate(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "candidate.yaml")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

const denying = `
apiVersion: soc.tocsin.dev/v1alpha1
kind: ApprovalPolicy
metadata: {name: freeze}
spec:
  module: |
    package tocsin.approval

    deny contains "nothing is isolated in shop" if {
    	input.action.operation == "isolate-pod"
    	input.plan.target.namespace == "shop"
    }
  tests: |
    package tocsin.approval_test

    import data.tocsin.approval

    test_it if count(approval.deny) == 1 with input as {"action": {"operation": "isolate-pod"}, "plan": {"target": {"namespace": "shop"}}}
`

func TestPolicyReplay(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	w.succeeded(t, "isolate-2")
	back := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "back-2"},
		Spec:       v1alpha1.ResponseActionSpec{Undo: "isolate-2", Reason: "done", RequestedBy: "undo:isolate-2"},
	}
	must(t, w.operator.Create(t.Context(), back))
	must(t, w.plan(t.Context(), back, v1alpha1.TierSenior))
	file := candidate(t, denying)

	a := w.run(t, "vera", "policy", "replay", file)
	must(t, a.err)
	contains(t, "output", a.out, "WHEN +ACTION +WHAT +IN FORCE +CANDIDATE +BECAUSE",
		"isolate-1 +isolate pod shop/web-0 +waits for 1 senior +denied +freeze: nothing is isolated in shop",
		"isolate-2 +isolate pod", "2 of 3 actions since .* would be decided otherwise: 2 more strictly, 0 less strictly")
	contains(t, "stderr", a.errOut, "warning: policies are told no labels and no criticality of namespace shop")
	if strings.Contains(a.out, "back-2") {
		t.Errorf("the undo is another operation, and is listed:\n%s", a.out)
	}

	// What is in force already makes no difference, and less of it one.
	inForce := &v1alpha1.ApprovalPolicy{}
	must(t, yaml.UnmarshalStrict([]byte(denying), inForce))
	inForce.Namespace = w.namespace
	must(t, w.Client.Create(t.Context(), inForce))
	a = w.run(t, "vera", "policy", "replay", file)
	must(t, a.err)
	contains(t, "output", a.out, "3 actions since .*, and none would be decided otherwise")
	a = w.run(t, "vera", "policy", "replay", "-o", "json", candidate(t, strings.ReplaceAll(denying, `"shop"`, `"other"`)))
	must(t, a.err)
	var got replayed
	must(t, json.Unmarshal([]byte(a.out), &got))
	if len(got.Differences) != 2 || got.Actions != 3 || got.Source != "cluster" || got.Differences[0].Stricter() >= 0 ||
		got.Differences[0].Input.Investigation.Verdict != v1alpha1.TruePositive || got.Differences[0].Decided.Tier != v1alpha1.TierSenior {
		t.Errorf("%s", a.out)
	}
	a = w.run(t, "vera", "policy", "replay", file, "--since", "1ms")
	must(t, a.err)
	contains(t, "output", a.out, "no actions since")
}

// What the platform would say is tried on the actions of all tenants that it names.
func TestPolicyReplayForTenants(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	other.waiting(t, "isolate-1", v1alpha1.TierSenior)
	scoped := func(tenant string) string {
		return candidate(t, strings.Replace(denying, "spec:\n", "spec:\n  scope: {tenants: ["+tenant+"]}\n", 1))
	}
	a := w.run(t, "vera", "policy", "replay", "-n", "tocsin-system", scoped(other.namespace))
	must(t, a.err)
	contains(t, "output", a.out, other.namespace+" .*isolate-1 .*tocsin-system/freeze: nothing", "1 of 1 action since")
	if strings.Contains(a.out, w.namespace+" ") {
		t.Errorf("a tenant that is not named is listed:\n%s", a.out)
	}
	text := failure(t, w.run(t, "vera", "policy", "replay", scoped(other.namespace)))
	contains(t, "error", text, "spec.scope.tenants of ApprovalPolicy freeze: must be empty in namespace "+w.namespace)
}

func TestPolicyReplayOfTheLog(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	log, err := audit.Open(t.Context(), dir)
	must(t, err)
	entry := func(action string, ago time.Duration, in any) {
		t.Helper()
		_, err := log.Append(t.Context(), audit.Entry{
			Time: time.Now().Add(-ago), Type: audit.TypeIntent, Namespace: w.namespace, Action: action,
			Data: map[string]any{"uid": action, "input": in, "decision": v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow}},
		})
		must(t, err)
	}
	document := func(operation string) map[string]any {
		d, err := policy.Input{
			Action: policy.Action{Operation: operation, Risk: v1alpha1.RiskLow}, Plan: policy.Plan{Summary: operation, Target: policy.PlanTarget{Namespace: "shop"}},
		}.Document()
		must(t, err)
		return d
	}
	entry("old", 40*24*time.Hour, document("isolate-pod"))
	entry("changed", 2*time.Hour, document("isolate-pod"))
	entry("changed", time.Hour, document("label"))
	entry("isolate-1", time.Hour, document("isolate-pod"))
	entry("large-1", time.Hour, "sha256:00")
	must(t, log.Close(t.Context()))

	a := w.run(t, "vera", "policy", "replay", "--log", dir, candidate(t, denying))
	must(t, a.err)
	contains(t, "output", a.out, "isolate-1 +isolate-pod +runs +denied", "1 of 2 actions since")
	contains(t, "stderr", a.errOut, "warning: "+w.namespace+"/large-1 is left out: what was decided on was too large for the log")

	text := failure(t, w.run(t, "vera", "policy", "replay", "--log", t.TempDir(), candidate(t, denying)))
	contains(t, "error", text, "--log: .* holds no audit log that can be read")
}

func TestPolicyReplayRefuses(t *testing.T) {
	failing := strings.Replace(denying, "== 1 with", "== 2 with", 1)
	tests := map[string]struct {
		file, want string
		flags      []string
	}{
		"tests that fail":    {failing, "a.yaml:18: ApprovalPolicy freeze: test_it: count(approval.deny) == 2", nil},
		"no policy":          {goodRule, "there is no ApprovalPolicy in a.yaml", nil},
		"what is no Rego":    {strings.Replace(denying, "if {", "if {{", 1), "a.yaml:11: ApprovalPolicy freeze: spec.module: ", nil},
		"a time that is not": {denying, `invalid argument "a month" for "--since" flag: must be a time such as 30d or 12h, not "a month"`, []string{"--since", "a month"}},
		"a time backwards":   {denying, `must be a time such as 30d or 12h, not "-1d"`, []string{"--since=-1d"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := onFiles(t, map[string]string{"a.yaml": tt.file}, append([]string{"policy", "replay", "a.yaml"}, tt.flags...)...)
			if got := errorText(a.err); !strings.Contains(got, tt.want) {
				t.Errorf("error %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzPastOf(f *testing.F) {
	f.Add(`{"input": {"action": {"operation": "label"}, "time": {"hour": 9}}, "decision": {"outcome": "Allow"}}`)
	f.Add(`{"input": "sha256:00"}`)
	f.Add(`{"input": {"action": {"arguments": []}}, "decision": "sha256:00"}`)
	f.Fuzz(func(t *testing.T, data string) {
		e := audit.Entry{Namespace: "soc", Action: "a"}
		if json.Unmarshal([]byte(data), &e.Data) != nil {
			return
		}
		if p, problem := pastOf(e); problem == "" && (p.Action != "a" || p.Namespace != "soc") {
			t.Errorf("%+v", p)
		}
	})
}
