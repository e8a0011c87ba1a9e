package story

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if filepath.Ext(name) == "" {
		name += ".txt"
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var (
	nine  = time.Date(2026, 3, 5, 9, 2, 11, 0, time.UTC)
	plain = Style{Now: nine.Add(2*time.Minute + 14*time.Second), Zone: time.UTC}
)

func at9(seconds float64) metav1.MicroTime {
	return metav1.NewMicroTime(nine.Add(time.Duration(seconds * float64(time.Second))))
}

func set(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

func entry(seconds float64, what, alert string, techniques ...v1alpha1.Technique) v1alpha1.TimelineEntry {
	return v1alpha1.TimelineEntry{Time: at9(seconds), Count: 1, What: what, Alert: alert, Techniques: techniques}
}

func evidence(id, question, alert, finding string, weight int32) v1alpha1.Evidence {
	return v1alpha1.Evidence{
		ID: id, Question: question, Alert: alert, Finding: finding, Provenance: v1alpha1.ProvenanceTrusted, Claimed: weight, Weight: weight,
	}
}

// attack is the case of the design.
func attack() *v1alpha1.Investigation {
	shell := entry(0, "shell in container web of shop/web-0", "a1", "T1059")
	until := at9(89)
	shell.Count, shell.Until = 300, &until
	labelled := evidence("E3", "universal/origin", "a3", `labelled "approved-by-security"`, 0)
	labelled.Claimed, labelled.Provenance, labelled.Note = -50, v1alpha1.ProvenanceAttackerWritable, "written by the suspect: counts for nothing"
	opened, concluded := at9(0), at9(0.4)
	return &v1alpha1.Investigation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "shop-7f3a", CreationTimestamp: metav1.NewTime(nine)},
		Status: v1alpha1.InvestigationStatus{
			Title:    "Credential access and privilege escalation by ServiceAccount shop/web",
			Priority: v1alpha1.PriorityP1, Verdict: v1alpha1.TruePositive, Severity: v1alpha1.SeverityCritical,
			SeverityReason: "alert a4 states High; raised for what it reaches: 212 Secrets in 14 namespaces, exec into 61 pods, 3 nodes (question universal/permissions)",
			Intent:         "Credential Access, towards Impact", IntentReason: "alert a2 shows T1552.007; its rights open 3 nodes (question universal/permissions)",
			PriorityReason:      "probability over 99.9 %; severity Critical; criticality not stated; reach: 212 Secrets in 14 namespaces, exec into 61 pods, 3 nodes (question universal/permissions)",
			ProbabilityPermille: ptr.To[int32](999), Score: ptr.To[int32](306), Prior: ptr.To[int32](-54),
			PriorReason: "2 of 9 graded cases of rule “cluster-admin-bound” were attacks, recent ones count more: effective 0.9 of 6.5; " +
				"with severity Critical as 2 cases more: (0.9 + 2 x 50.0 %) / (6.5 + 2)",
			AlertCount: 4, PendingApprovals: 1,
			Analyst: "built-in", OpenedAt: &opened, ConcludedAt: &concluded,
			Timeline: []v1alpha1.TimelineEntry{
				shell,
				entry(8, "ServiceAccount shop/web listed Secrets in all namespaces", "a2", "T1552.007"),
				entry(20, "shop/web created pod shop/tmp-1 that mounts / of its node", "a3", "T1611"),
				entry(29, "shop/web bound itself to cluster-admin (ClusterRoleBinding ops-sync)", "a4", "T1098.006", "T1078"),
			},
			Evidence: []v1alpha1.Evidence{
				evidence("E1", "universal/novelty", "a2", "shop/web never listed Secrets before (baseline 41 days)", 110),
				evidence("E2", "universal/target", "a3", "pod shop/tmp-1 mounts / of its node; no other pod of its workload does", 90),
				labelled,
				evidence("E4", "universal/binding", "a4", "system:serviceaccount:shop:web grants itself everything", 140),
				evidence("E5", "universal/origin", "", "no rollout or known automation explains it", 20),
			},
			Questions: []v1alpha1.QuestionStatus{
				{ID: "universal/novelty", Ask: "Did the actor do this before?", Use: "memory/novelty", State: v1alpha1.QuestionAnswered},
				{ID: "universal/related", Ask: "What else happened to the actors?", Use: "memory/related", State: v1alpha1.QuestionEmpty},
				{ID: "universal/target", Ask: "What is the pod that was acted on?", Use: "cluster/describe-workload", State: v1alpha1.QuestionFailed, Message: "pods is forbidden"},
				{ID: "shell/image", Ask: "Is the image known?", Use: "registry/image", State: v1alpha1.QuestionTimedOut, Message: "no answer within 5s"},
			},
			BlastRadius: &v1alpha1.BlastRadius{Secrets: 212, Namespaces: 14, PodsExec: 61, Nodes: 3, Worst: []string{"payments/ledger-db", "kube-system"}},
			Conditions: []metav1.Condition{
				set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonConcluded, "TruePositive"),
				set(v1alpha1.ConditionConcluded, metav1.ConditionTrue, v1alpha1.ReasonConcluded, "TruePositive"),
				set(v1alpha1.ConditionEscalated, metav1.ConditionTrue, v1alpha1.ReasonEscalated, "the evidence for an attack reaches +30.6 dB"),
				set(v1alpha1.ConditionClosed, metav1.ConditionFalse, v1alpha1.ReasonOpen, "waits for a human"),
			},
		},
	}
}

// benign closed by itself.
func benign() *v1alpha1.Investigation {
	opened, concluded := at9(-86400), at9(-86399.8)
	automation := evidence("E1", "universal/origin", "b1", "applied by known automation: reviewed in Git", -200)
	automation.Claimed, automation.Group, automation.Note = -250, "automation", "one finding counts at most +20.0 dB"
	return &v1alpha1.Investigation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "gitops-11c2", CreationTimestamp: metav1.NewTime(nine.AddDate(0, 0, -1))},
		Spec:       v1alpha1.InvestigationSpec{Assignee: "alice", Notes: []v1alpha1.Note{{By: "bob", Text: "looked at the commit"}, {By: "alice", Text: "so did I"}}},
		Status: v1alpha1.InvestigationStatus{
			Title: "RoleBinding payments/deployer grants edit", Priority: v1alpha1.PriorityP4, Verdict: v1alpha1.BenignPositive, AlertCount: 1,
			ProbabilityPermille: ptr.To[int32](4), Score: ptr.To[int32](-240), Prior: ptr.To[int32](-40), PriorReason: "no graded case of rule “x”: by severity High",
			Analyst: "built-in", OpenedAt: &opened, ConcludedAt: &concluded, ClosedAt: &concluded,
			Timeline: []v1alpha1.TimelineEntry{
				entry(-86400, "RoleBinding payments/deployer grants edit", "b1", "T1098.006"), entry(-100, "and again", "b1"),
			},
			Evidence: []v1alpha1.Evidence{automation},
			Conditions: []metav1.Condition{
				set(v1alpha1.ConditionConcluded, metav1.ConditionTrue, v1alpha1.ReasonConcluded, "BenignPositive"),
				set(v1alpha1.ConditionEscalated, metav1.ConditionFalse, v1alpha1.ReasonNotEscalated, "closed by itself on trusted evidence"),
				set(v1alpha1.ConditionClosed, metav1.ConditionTrue, v1alpha1.ReasonClosedByAnalyst, "closed by itself on trusted evidence"),
			},
			BlastRadius: &v1alpha1.BlastRadius{},
		},
	}
}

// begun is a case that the operator has only begun to look at.
func begun() *v1alpha1.Investigation {
	return &v1alpha1.Investigation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "new-0001", CreationTimestamp: metav1.NewTime(nine.Add(2 * time.Minute))},
		Status: v1alpha1.InvestigationStatus{AlertCount: 2, Conditions: []metav1.Condition{
			set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPlanning, "asks 12 questions about 2 alerts"),
		}},
	}
}

func planned(name, summary string, order int32, reason, message string) v1alpha1.ResponseAction {
	return v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name, CreationTimestamp: metav1.NewTime(nine.Add(time.Second))},
		Spec: v1alpha1.ResponseActionSpec{
			Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: "isolate-pod"}, Investigation: "shop-7f3a", Order: order,
			Reason: "playbook stolen-token proposes isolate where verdict == \"TruePositive\"", RequestedBy: "playbook:stolen-token",
		},
		Status: v1alpha1.ResponseActionStatus{
			Plan: &v1alpha1.Plan{
				Digest: strings.Repeat("0123456789abcdef", 4), Summary: summary, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible, PlannedAt: at9(1.5),
				Target: v1alpha1.TargetReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-0", UID: "11111111-2222-3333-4444-555555555555"},
			},
			Decision: &v1alpha1.Decision{
				Outcome: v1alpha1.DecisionRequire, Tier: v1alpha1.TierSenior, Approvals: 1, Reasons: []string{"risk High waits for one senior"},
			},
			Conditions: []metav1.Condition{set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)},
		},
	}
}

func succeeded(a v1alpha1.ResponseAction, seconds float64, approvers ...string) v1alpha1.ResponseAction {
	a.Status.Result = &v1alpha1.ActionResult{Outcome: v1alpha1.OutcomeSucceeded, FinishedAt: at9(seconds)}
	a.Status.Inverse = &runtime.RawExtension{Raw: []byte("{}")}
	a.Status.Conditions = []metav1.Condition{set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "")}
	for _, name := range approvers {
		a.Status.Approvals = append(a.Status.Approvals, v1alpha1.CountedApproval{Name: "x", Approver: name, Tier: v1alpha1.TierSenior, Decision: v1alpha1.Approve})
	}
	return a
}

func waits(name, summary string, order int32) v1alpha1.ResponseAction {
	return planned(name, summary, order, v1alpha1.ReasonWaitingForApproval, "waits for 1 more of tier senior")
}

// responses to the attack, in no order.
func responses() []v1alpha1.ResponseAction {
	isolate := succeeded(planned("isolate-web-0-a1b", "isolate pod shop/web-0", 1, "", ""), 71, "alice")
	isolate.Spec.UndoAfter = &metav1.Duration{Duration: 24 * time.Hour}
	return []v1alpha1.ResponseAction{
		waits("remove-binding-x2k", "remove ClusterRoleBinding ops-sync", 2),
		isolate,
		succeeded(planned("label-web-0-c3d", "label pod shop/web-0", 0, "", ""), 30),
	}
}
