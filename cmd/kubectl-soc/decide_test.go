package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var counts = metav1.Condition{Type: v1alpha1.ConditionCounted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonCounted}

func TestApprove(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	w.waiting(t, "isolate-1", v1alpha1.TierAnalyst)
	w.react(t, counts, done)
	a := w.run(t, "alice", "approve", "isolate-1", "--yes", "--reason", "it is compromised")
	must(t, a.err)
	contains(t, "output", a.out,
		"isolate pod shop/web-0", "it serves a Service", `\+kind: NetworkPolicy`, "because risk High waits", "asked by  playbook:stolen-token: proposed",
		"P1 TruePositive 99.9 % shop-7f3a a stolen token", "212 Secrets in 14 namespaces", "needs     1 approval of tier analyst",
		"alice says Approve at tier analyst", `counted: 1 of 1 analyst; Succeeded: isolated [0-9.]+ s later`)
	want := []v1alpha1.ApprovalSpec{{
		Action: "isolate-1", PlanDigest: digest, Decision: v1alpha1.Approve, Tier: v1alpha1.TierAnalyst, Approver: "alice", Reason: "it is compromised",
	}}
	if diff := cmp.Diff(want, specs(w.approvals(t))); diff != "" {
		t.Errorf("approvals (-want +got):\n%s", diff)
	}
}

func specs(approvals []v1alpha1.Approval) []v1alpha1.ApprovalSpec {
	var specs []v1alpha1.ApprovalSpec
	for _, a := range approvals {
		specs = append(specs, a.Spec)
	}
	return specs
}

func TestSecondApprovalIsAwaited(t *testing.T) {
	w := newWorld(t)
	two := w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	two.Status.Decision.Approvals = 2
	must(t, w.operator.Status().Update(t.Context(), two))
	w.react(t, counts, func(a *v1alpha1.ResponseAction) {
		a.Status.Conditions[0].Message = "waits for 1 more of tier senior, 1 given"
	})
	a := w.run(t, "bob", "approve", "isolate-1", "--yes", "--reason", "r")
	must(t, a.err)
	contains(t, "output", a.out, `counted: 1 of 2 senior; WaitingForApproval: waits for 1 more`)
}

func TestDeny(t *testing.T) {
	w := newWorld(t)
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	w.react(t, counts, func(a *v1alpha1.ResponseAction) {
		a.Status.Conditions = []metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDenied, "denied by alice"),
			condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDenied, "denied by alice"),
		}
	})
	a := w.run(t, "alice", "deny", "isolate-1", "--yes", "--reason", "a drill")
	must(t, a.err)
	contains(t, "output", a.out, "alice says Deny at tier analyst", "counted; isolate-1 will not run")
	again := w.run(t, "alice", "deny", "isolate-1", "--yes", "--reason", "a drill")
	contains(t, "denied twice", failure(t, again), "isolate-1 cannot be denied any more. Denied: denied by alice")
	approve := w.run(t, "bob", "approve", "isolate-1", "--yes", "--reason", "r")
	contains(t, "approved after all", failure(t, approve), "isolate-1 does not wait for approval. Denied: denied by alice")
}

func TestAnApprovalThatDoesNotCount(t *testing.T) {
	w := newWorld(t)
	w.waiting(t, "isolate-1", v1alpha1.TierAnalyst)
	w.react(t, metav1.Condition{
		Type: v1alpha1.ConditionCounted, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStalePlan, Message: "look at it and decide again",
	}, func(*v1alpha1.ResponseAction) {})
	a := w.run(t, "alice", "approve", "isolate-1", "--yes", "--reason", "r")
	contains(t, "error", failure(t, a), "does not count: StalePlan: look at it and decide again")
}

// A script must not take it for approved, or for undone.
func TestTheOperatorIsAway(t *testing.T) {
	w := newWorld(t)
	w.patience = 100 * time.Millisecond
	w.waiting(t, "isolate-1", v1alpha1.TierAnalyst)
	w.succeeded(t, "label-1")
	where := `is the operator running\? \(kubectl get pods -A -l app.kubernetes.io/name=tocsin\) .*: kubectl get -n ` + w.namespace
	approve := w.run(t, "alice", "approve", "isolate-1", "--yes", "--reason", "r")
	contains(t, "approve", failure(t, approve), "not counted within 100ms: "+where+` approval isolate-1-\w+$`)
	contains(t, "approve", approve.out, `approval/isolate-1-\w+ created`)
	undo := w.run(t, "alice", "undo", "label-1", "--yes", "--reason", "r")
	contains(t, "undo", failure(t, undo), "not planned within 100ms: "+where+` responseaction undo-label-1-\w+$`)
}

func TestAnActionThatFails(t *testing.T) {
	w := newWorld(t)
	w.waiting(t, "isolate-1", v1alpha1.TierAnalyst)
	w.react(t, counts, func(a *v1alpha1.ResponseAction) {
		done(a)
		a.Status.Result.Outcome = v1alpha1.OutcomeFailed
		a.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonFailed, "pods is forbidden")}
	})
	a := w.run(t, "alice", "approve", "isolate-1", "--yes", "--reason", "r")
	contains(t, "error", failure(t, a), "counted: 1 of 1 analyst, but: Failed: pods is forbidden")
}

// Nothing of these may leave an Approval behind.
func TestRefusedDecisions(t *testing.T) {
	w := newWorld(t)
	w.waiting(t, "isolate-1", v1alpha1.TierAnalyst)
	w.waiting(t, "remove-1", v1alpha1.TierSenior)
	w.succeeded(t, "label-1")
	own := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "own"},
		Spec: v1alpha1.ResponseActionSpec{
			Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: "isolate-pod"}, Reason: "mine", RequestedBy: "alice",
		},
	}
	must(t, w.ClientAs(t, "alice").Create(t.Context(), own))
	must(t, w.plan(t.Context(), own, v1alpha1.TierAnalyst))

	yes := []string{"--yes", "--reason", "r"}
	tests := map[string]struct {
		user  string
		typed []string
		args  []string
		want  string
	}{
		"a tier that the caller does not hold": {"alice", nil, append([]string{"approve", "remove-1", "--tier", "senior"}, yes...),
			"the API server refused the Approval: .*'alice' may not decide at tier senior in namespace .*which ClusterRole tocsin-senior grants; ask somebody who holds it"},
		"the tier that the action needs, not held": {"alice", nil, append([]string{"approve", "remove-1"}, yes...), "may not decide at tier senior"},
		"no right to create Approvals":             {"vera", nil, append([]string{"approve", "isolate-1"}, yes...), `the API server refused the Approval: .*User "vera" cannot create resource "approvals"`},
		"no terminal":                              {"alice", nil, []string{"approve", "isolate-1"}, `there is no terminal to ask on, so nothing was done; a script says --yes --reason "why"`},
		"no terminal to deny on":                   {"alice", nil, []string{"deny", "isolate-1", "--reason", "r"}, "there is no terminal"},
		"yes without a reason":                     {"alice", nil, []string{"approve", "isolate-1", "--yes", "--reason", " "}, `--yes needs --reason "why"`},
		"an unknown tier":                          {"alice", nil, append([]string{"approve", "isolate-1", "--tier", "root"}, yes...), `--tier: must be analyst, senior or break-glass, not "root"`},
		"what the caller asked for":                {"alice", nil, append([]string{"approve", "own"}, yes...), "nobody approves what they asked for"},
		"what is done":                             {"alice", nil, append([]string{"approve", "label-1"}, yes...), "label-1 does not wait for approval. Succeeded: isolated"},
		"a name with a typing error":               {"alice", nil, append([]string{"approve", "isolat-1"}, yes...), "there is no ResponseAction isolat-1 in namespace .*; did you mean isolate-1?"},
		"no name":                                  {"alice", nil, append([]string{"approve"}, yes...), "approve takes the name of one action"},
		"no":                                       {"alice", []string{"n"}, []string{"approve", "isolate-1"}, "nothing was done"},
		"only Enter":                               {"alice", []string{""}, []string{"approve", "isolate-1"}, "nothing was done"},
		"no reason":                                {"alice", []string{"y", ""}, []string{"approve", "isolate-1"}, "nothing was done: a reason is needed"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.typing(t, tc.user, tc.typed, tc.args...)
			contains(t, "error", failure(t, a), tc.want)
			if diff := cmp.Diff([]v1alpha1.ApprovalSpec(nil), specs(w.approvals(t))); diff != "" {
				t.Errorf("approvals (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApproveAtATerminal(t *testing.T) {
	w := newWorld(t)
	w.waiting(t, "remove-1", v1alpha1.TierSenior)
	a := w.typing(t, "bob", []string{"Y", "nobody bound this"}, "approve", "remove-1", "--wait=false")
	must(t, a.err)
	contains(t, "output", a.out, `Approve as bob at tier senior\? \[y/N\] Why\? \(for the audit log\)`)
	if got := w.approvals(t); len(got) != 1 || got[0].Spec.Reason != "nobody bound this" || got[0].Spec.Tier != v1alpha1.TierSenior {
		t.Errorf("got %+v, want one Approval with the reason that was typed", specs(got))
	}
}
