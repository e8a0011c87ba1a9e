package responseaction_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/response"
)

func TestWhatIsAllowedRunsInOnePass(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "label")
	got := w.must("act")

	w.expect(got, v1alpha1.ReasonSucceeded, "label shop/web-0")
	if !w.tool.Marked("shop/web-0", "label") || w.executions() != 1 {
		t.Errorf("executed %d times, marked %t", w.executions(), w.tool.Marked("shop/web-0", "label"))
	}
	if types := w.log.types(); types != "intent result" {
		t.Errorf("log: %s", types)
	}
	intent := w.log.all()[0]
	if intent.Digest != got.Status.Plan.Digest || got.Status.Execution.IntentIndex != 0 || *got.Status.Result.LogIndex != 1 {
		t.Errorf("the status does not point to its entries: %+v %+v", got.Status.Execution, got.Status.Result)
	}
	if string(got.Status.Inverse.Raw) != `{"arguments":{"target":"shop/web-0"},"connector":"tool","operation":"undo-label"}` {
		t.Errorf("inverse: %s", got.Status.Inverse.Raw)
	}
	if told := w.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Normal Succeeded") {
		t.Errorf("events: %q", told)
	}
	w.must("act")
	if w.executions() != 1 || len(w.told()) != 0 {
		t.Error("a second pass did something")
	}
}

func TestWhatNeedsApprovalWaitsForIt(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 2)
	w.ask("act", "isolate")
	w.expect(w.must("act"), v1alpha1.ReasonWaitingForApproval, "waits for 2 more of tier senior: kubectl soc approve act -n "+w.namespace)

	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.decideOn("act", "playbook:shell", v1alpha1.TierSenior, v1alpha1.Approve)
	w.decideOn("act", "bob", v1alpha1.TierAnalyst, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonWaitingForApproval, "waits for 1 more of tier senior, 1 given")
	if w.executions() != 0 {
		t.Fatal("executed before it was approved")
	}

	w.decideOn("act", "carol", v1alpha1.TierSenior, v1alpha1.Approve)
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonSucceeded, "isolate shop/web-0")
	if n := len(got.Status.Approvals); n != 2 {
		t.Errorf("%d approvals in the status, want 2", n)
	}
	if types := w.log.types(); types != "decision intent result" {
		t.Errorf("log: %s", types)
	}
	for _, e := range w.log.all()[:2] {
		input, _ := e.Data["input"].(map[string]any)
		if action, _ := input["action"].(map[string]any); action["operation"] != "isolate" {
			t.Errorf("entry %s has the input %v, want what the policies decided on", e.Type, e.Data["input"])
		}
	}
	if authority := w.log.all()[1].Data["authority"]; authority != "approved by alice (senior), carol (senior)" {
		t.Errorf("authority: %v", authority)
	}
	if told := strings.Join(w.told(), "\n"); strings.Count(told, "\n") != 2 || !strings.Contains(told, "Normal Approved approved by alice (senior), carol (senior): isolate shop/web-0") {
		t.Errorf("events: %s", told)
	}
}

func TestADenialIsTheEnd(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate")
	w.must("act")
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.decideOn("act", "bob", v1alpha1.TierAnalyst, v1alpha1.Deny)
	w.expect(w.must("act"), v1alpha1.ReasonDenied, "denied by bob (analyst): looked at it")
	w.decideOn("act", "carol", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonDenied, "")
	if w.executions() != 0 || w.log.types() != "decision decision" {
		t.Errorf("executions %d, log %s", w.executions(), w.log.types())
	}
}

// Two actions that would do the same have the same digest.
func TestADecisionIsOnOneAction(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate")
	w.ask("twin", "isolate")
	if a, b := w.must("act").Status.Plan, w.must("twin").Status.Plan; a.Diff != b.Diff || a.Digest == b.Digest {
		t.Fatalf("diffs %s and %s, digests %s and %s; want one change in two plans", a.Diff, b.Diff, a.Digest, b.Digest)
	}
	w.decideOn("twin", "bob", v1alpha1.TierSenior, v1alpha1.Deny)
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
	w.expect(w.must("twin"), v1alpha1.ReasonDenied, "denied by bob (senior)")
}

// forgetful keeps nothing that would take a change back, once it is told to.
type forgetful struct {
	*fake.Connector
	now *bool
}

// Plan implements connectors.Responder.
func (f forgetful) Plan(ctx context.Context, request connectors.Request) (connectors.Plan, error) {
	p, err := f.Connector.Plan(ctx, request)
	if *f.now {
		p.Inverse = nil
	}
	return p, err
}

// What was approved as reversible must be so when it is done.
func TestAnApprovalIsForWhatCanBeTakenBack(t *testing.T) {
	w := newWorld(t)
	var now bool
	w.registry.Set(w.namespace, "tool", forgetful{w.tool, &now})
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate")
	w.must("act")
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	now = true
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonWaitingForApproval, "")
	if got.Status.Plan.Undo != v1alpha1.UndoIrreversible || w.executions() != 0 {
		t.Errorf("the plan says %s, executions are %d", got.Status.Plan.Undo, w.executions())
	}
}

// wiser knows every operation to be of critical risk.
type wiser struct{ *fake.Connector }

// Operations implements connectors.Connector.
func (c wiser) Operations() []operation.Operation {
	all := slices.Clone(c.Connector.Operations())
	for i := range all {
		all[i].Risk = v1alpha1.RiskCritical
	}
	return all
}

func TestPoliciesAreToldTheRiskOfNow(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.annotate(w.namespace, map[string]string{v1alpha1.AnnotationStop: "upgrade"})
	w.ask("act", "isolate")
	w.must("act")
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonStopped, "")
	w.registry.Set(w.namespace, "tool", wiser{w.tool})
	w.must("act")
	if got := w.asked.Load().Action.Risk; got != v1alpha1.RiskCritical {
		t.Errorf("policies decided on risk %s, want Critical", got)
	}
}

// Somebody approved what would be taken back, and finds another action in its place that would not be.
func TestAnApprovalIsNotOfTheNextActionOfThatName(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate", func(a *v1alpha1.ResponseAction) { a.Spec.UndoAfter = &metav1.Duration{Duration: time.Hour} })
	seen := w.must("act")
	if err := w.client.Delete(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	w.ask("act", "isolate")
	w.must("act")
	w.decideOnSeen(seen, "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonWaitingForApproval, "")
	if w.executions() != 0 {
		t.Error("executed on the approval of another action")
	}
}

func TestNoApprovalCountsWithoutProvenAdmission(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
	w.proven = time.Time{}
	w.ask("act", "isolate")
	w.must("act")
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonWaitingForApproval, "")
	w.proven = time.Now().Add(time.Hour) // installed after the approval was given
	w.expect(w.must("act"), v1alpha1.ReasonWaitingForApproval, "")
	if w.executions() != 0 {
		t.Error("an unproven approval counted")
	}
}

func TestAChangedTargetIsPlannedAgain(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate")
	old := w.must("act").Status.Plan.Digest
	w.tool.Put("shop/web-0", "u2") // another pod of the same name
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.told()

	got := w.must("act")
	w.expect(got, v1alpha1.ReasonWaitingForApproval, "waits for 1 more")
	if got.Status.Plan.Digest == old || got.Status.Plan.Target.UID != "u2" || len(got.Status.Approvals) != 0 {
		t.Errorf("plan %+v, approvals %v", got.Status.Plan, got.Status.Approvals)
	}
	if told := w.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Warning PlanChanged") {
		t.Errorf("events: %q", told)
	}
	w.must("act")
	if w.executions() != 0 {
		t.Fatal("an approval of the old plan ran the new one")
	}
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}

func TestPoliciesAreAskedAgainBeforeItRuns(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
	w.ask("act", "isolate")
	w.must("act")
	w.decideOn("act", "alice", v1alpha1.TierAnalyst, v1alpha1.Approve)
	w.decisions["isolate"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny, Reasons: []string{"freeze: not on Fridays"}}
	w.expect(w.must("act"), v1alpha1.ReasonDenied, "freeze: not on Fridays")
	if w.executions() != 0 {
		t.Error("executed against the policy")
	}
}

func TestAPolicyThatIsLoosenedLetsItRunOnAPlanMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate")
	w.must("act")
	delete(w.decisions, "isolate")
	w.tool.Put("shop/web-0", "u2")
	result, err := w.pass("act")
	if err != nil || result.RequeueAfter == 0 || w.executions() != 0 {
		t.Fatalf("got %+v, %v, %d executions; want the plan to be made again first", result, err, w.executions())
	}
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonSucceeded, "")
	if got.Status.Plan.Target.UID != "u2" {
		t.Errorf("executed the old plan: %+v", got.Status.Plan)
	}
}

func TestBadInput(t *testing.T) {
	use := func(connector, operation, with string) func(*v1alpha1.ResponseAction) {
		return func(a *v1alpha1.ResponseAction) {
			a.Spec.Use = &v1alpha1.ActionUse{Connector: connector, Operation: operation, With: raw(with)}
		}
	}
	undo := func(name string) func(*v1alpha1.ResponseAction) {
		return func(a *v1alpha1.ResponseAction) { a.Spec.Use, a.Spec.Undo = nil, name }
	}
	const good = `{"target": "shop/web-0"}`
	cases := map[string]struct {
		ask           func(*v1alpha1.ResponseAction)
		plan          error
		reason, names string
	}{
		"no such connector":      {ask: use("splunk", "label", good), reason: v1alpha1.ReasonUnknownOperation, names: `spec.use.connector: unsupported operation: no connector "splunk"`},
		"no such operation":      {ask: use("tool", "explode", good), reason: v1alpha1.ReasonUnknownOperation, names: `spec.use.operation: unsupported operation: "explode"; it offers [isolate label delete describe]`},
		"a question":             {ask: use("tool", "describe", `{}`), reason: v1alpha1.ReasonInvalidSpec, names: "spec.use.operation: describe is a question"},
		"an inverse by name":     {ask: use("tool", "undo-label", good), reason: v1alpha1.ReasonInvalidSpec, names: "set spec.undo"},
		"argument missing":       {ask: use("tool", "label", `{}`), reason: v1alpha1.ReasonInvalidSpec, names: "spec.use.with: arguments: missing property 'target'"},
		"argument unknown":       {ask: use("tool", "label", `{"target": "x", "force": true}`), reason: v1alpha1.ReasonInvalidSpec, names: "'force' not allowed"},
		"argument of bad type":   {ask: use("tool", "label", `{"target": 7}`), reason: v1alpha1.ReasonInvalidSpec, names: "argument target"},
		"target missing":         {ask: use("tool", "label", `{"target": "shop/none"}`), reason: v1alpha1.ReasonPlanFailed, names: "not found: shop/none"},
		"permission missing":     {ask: use("tool", "label", good), plan: connectors.ErrForbidden, reason: v1alpha1.ReasonForbidden, names: "forbidden"},
		"refused by the tool":    {ask: use("tool", "label", good), plan: connectors.ErrInvalid, reason: v1alpha1.ReasonInvalidSpec, names: "invalid arguments"},
		"undo of nothing":        {ask: undo("none"), reason: v1alpha1.ReasonInvalidSpec, names: "spec.undo: there is no ResponseAction none"},
		"undo of what failed":    {ask: undo("failed"), reason: v1alpha1.ReasonInvalidSpec, names: "spec.undo: failed did not succeed (Failed)"},
		"undo of no way back":    {ask: undo("deleted"), reason: v1alpha1.ReasonInvalidSpec, names: "spec.undo: deleted cannot be undone"},
		"undo of what is undone": {ask: undo("undone"), reason: v1alpha1.ReasonInvalidSpec, names: "already undone by back"},
	}
	w := newWorld(t)
	w.prepare()
	before := w.executions()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w.t = t
			if tc.plan != nil {
				w.tool.At(fake.AtPlan, func() error { return tc.plan })
			}
			action := w.ask(strings.ReplaceAll(name, " ", "-"), "", tc.ask)
			got := w.must(action.Name)
			w.expect(got, tc.reason, tc.names)
			if !response.Stalled(got) || got.Status.ObservedGeneration != got.Generation {
				t.Errorf("status %+v, want it stalled at this generation", got.Status)
			}
			if w.executions() != before {
				t.Error("executed")
			}
		})
	}
}

// prepare makes an action that failed, one that cannot be undone and one that was.
func (w *world) prepare() {
	w.t.Helper()
	w.tool.At(fake.AtExecute, func() error { return connectors.ErrForbidden })
	w.ask("failed", "isolate")
	w.expect(w.must("failed"), v1alpha1.ReasonFailed, "not done: forbidden")
	w.ask("deleted", "delete")
	w.expect(w.must("deleted"), v1alpha1.ReasonSucceeded, "")
	w.ask("undone", "isolate")
	w.must("undone")
	w.undo("back", "undone", "alice")
	w.must("back")
	w.must("back")
	w.expect(w.get("undone"), v1alpha1.ReasonUndone, "undone by back")
}

func TestAConnectorThatIsNotReadyYetIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.registry.Delete(w.namespace, "tool")
	connector := &v1alpha1.Connector{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tool"},
		Spec:       v1alpha1.ConnectorSpec{Type: v1alpha1.ConnectorKubernetes, ServiceAccountName: "tool"},
	}
	if err := w.client.Create(t.Context(), connector); err != nil {
		t.Fatal(err)
	}
	w.ask("act", "label")
	result, err := w.pass("act")
	if err != nil || result.RequeueAfter == 0 {
		t.Fatalf("got %+v, %v; want another look soon", result, err)
	}
	got := w.get("act")
	w.expect(got, v1alpha1.ReasonUnavailable, "spec.use.connector: Connector tool is not ready")
	if response.Stalled(got) {
		t.Error("stalled over what passes by itself")
	}
	w.registry.Set(w.namespace, "tool", w.tool)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}

func TestATransientPlanErrorIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "label")
	w.tool.At(fake.AtPlan, func() error { return errors.New("connection refused, password=hunter2hunter2") })
	if _, err := w.pass("act"); err == nil {
		t.Fatal("want an error, for the back-off")
	}
	got := w.get("act")
	w.expect(got, v1alpha1.ReasonPlanFailed, "connection refused")
	if strings.Contains(fmt.Sprint(got.Status.Conditions), "hunter2") {
		t.Error("a secret is in the status")
	}
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}

func TestNothingToDoIsSkipped(t *testing.T) {
	w := newWorld(t)
	w.decisions["label"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("one", "label")
	w.must("one")
	w.decideOn("one", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("one"), v1alpha1.ReasonSucceeded, "")
	w.ask("two", "label")
	w.expect(w.must("two"), v1alpha1.ReasonSkipped, "nothing to do")
	if w.executions() != 1 {
		t.Errorf("%d executions, want 1", w.executions())
	}
}

func TestWithoutTheLogNothingIsDone(t *testing.T) {
	down := errors.New("disk full")
	cases := map[string]struct {
		fails    audit.Type
		decision v1alpha1.Decision
		want     int // executions while the log is down
		stands   string
	}{
		"intent":   {audit.TypeIntent, v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow}, 0, v1alpha1.ReasonAuditUnavailable},
		"decision": {audit.TypeDecision, v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny}, 0, v1alpha1.ReasonAuditUnavailable},
		"result":   {audit.TypeResult, v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow}, 1, v1alpha1.ReasonSucceeded},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decisions["label"] = tc.decision
			w.log.fail = func(e audit.Entry) error {
				if e.Type == tc.fails {
					return down
				}
				return nil
			}
			w.ask("act", "label")
			for range 3 {
				if _, err := w.pass("act"); !errors.Is(err, down) {
					t.Fatalf("got %v, want %v for the back-off", err, down)
				}
			}
			w.expect(w.get("act"), tc.stands, "")
			if w.executions() != tc.want {
				t.Errorf("%d executions, want %d", w.executions(), tc.want)
			}
			w.log.fail = nil
			got := w.must("act")
			if !response.Settled(got) || (got.Status.Result != nil && got.Status.Result.LogIndex == nil) {
				t.Errorf("not logged after the log came back: %+v", got.Status)
			}
			if w.executions() > 1 {
				t.Error("executed twice")
			}
		})
	}
}

func TestGuardRailsHoldWhateverPoliciesSay(t *testing.T) {
	w := newWorld(t)
	w.decisions["label"] = requireTier(v1alpha1.TierSenior, 1)
	w.tool.Put("kube-system/dns", "u9")
	w.ask("act", "label", func(a *v1alpha1.ResponseAction) { a.Spec.Use.With = raw(`{"target": "kube-system/dns"}`) })
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonGuardRail, "namespace kube-system is protected")
	if !response.Settled(got) || got.Status.Execution != nil {
		t.Errorf("nobody should be asked: %+v", got.Status)
	}
}

func TestAPolicyThatNamesItLiftsTheRailOfASystemNamespace(t *testing.T) {
	cases := map[string]struct {
		namespaces []string
		ready      metav1.ConditionStatus
		reason     string
		want       string
	}{
		"named and said":         {[]string{"kube-system"}, metav1.ConditionTrue, "dns: may be labelled", v1alpha1.ReasonSucceeded},
		"another named":          {[]string{"kube-public"}, metav1.ConditionTrue, "dns: may be labelled", v1alpha1.ReasonGuardRail},
		"covers all, names none": {nil, metav1.ConditionTrue, "dns: may be labelled", v1alpha1.ReasonGuardRail},
		"named but silent":       {[]string{"kube-system"}, metav1.ConditionTrue, "default: low risk runs", v1alpha1.ReasonGuardRail},
		"named, not in force":    {[]string{"kube-system"}, metav1.ConditionFalse, "dns: may be labelled", v1alpha1.ReasonGuardRail},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.policy("dns", v1alpha1.PolicyScope{TargetNamespaces: tc.namespaces}, tc.ready)
			w.decisions["label"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Policies: []string{"dns"}, Reasons: []string{tc.reason}}
			w.tool.Put("kube-system/dns", "u9")
			w.ask("act", "label", func(a *v1alpha1.ResponseAction) { a.Spec.Use.With = raw(`{"target": "kube-system/dns"}`) })
			w.expect(w.must("act"), tc.want, "")
		})
	}
}

// policy that is there, in force or not.
func (w *world) policy(name string, scope v1alpha1.PolicyScope, ready metav1.ConditionStatus) {
	w.t.Helper()
	p := &v1alpha1.ApprovalPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       v1alpha1.ApprovalPolicySpec{Module: "m", Tests: "t", Scope: &scope},
	}
	if err := w.client.Create(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: "Test", LastTransitionTime: metav1.Now()}}
	if err := w.client.Status().Update(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
}

func TestStopSwitches(t *testing.T) {
	cases := map[string]func(w *world) string{
		"of the action's namespace": func(w *world) string { return w.namespace },
		"of the target's namespace": func(*world) string { return "shop" },
		"of the operator":           func(*world) string { return operatorNamespace },
	}
	for name, which := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			held := which(w)
			w.annotate(held, map[string]string{v1alpha1.AnnotationStop: "drill"})
			w.ask("act", "label")
			got := w.must("act")
			w.expect(got, v1alpha1.ReasonStopped, "kubectl annotate namespace "+held)
			if response.Stalled(got) || response.Settled(got) || w.executions() != 0 {
				t.Error("a stopped action is held, neither given up nor run")
			}
			w.annotate(held, nil)
			w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
		})
	}
}

func (w *world) annotate(namespace string, annotations map[string]string) {
	w.t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	_ = w.client.Create(w.t.Context(), n) // it may be there from another test
	if err := w.client.Get(w.t.Context(), w.clusterKey(namespace), n); err != nil {
		w.t.Fatal(err)
	}
	n.Annotations = annotations
	if err := w.client.Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
}

func TestTheHourlyCapHoldsUntilOneIsFree(t *testing.T) {
	w := newWorld(t)
	w.rails.HourlyCap = 2
	w.restart()
	for i := range 3 {
		name := fmt.Sprintf("shop/p%d", i)
		w.tool.Put(name, name)
		w.ask(fmt.Sprintf("act-%d", i), "label", func(a *v1alpha1.ResponseAction) { a.Spec.Use.With = raw(`{"target": "` + name + `"}`) })
		if i == 2 {
			w.restart() // what was executed is counted from the actions themselves
		}
		w.must(fmt.Sprintf("act-%d", i))
	}
	w.expect(w.get("act-1"), v1alpha1.ReasonSucceeded, "")
	got := w.get("act-2")
	w.expect(got, v1alpha1.ReasonGuardRail, "used up its 2 actions an hour")
	if response.Settled(got) {
		t.Error("given up for good")
	}
	w.clock.Step(time.Hour)
	w.expect(w.must("act-2"), v1alpha1.ReasonSucceeded, "")
}

func TestHigherOrdersWait(t *testing.T) {
	for name, tc := range map[string]struct {
		first v1alpha1.Decision
		then  string
	}{
		"done":    {v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow}, v1alpha1.ReasonSucceeded},
		"refused": {v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny}, v1alpha1.ReasonDenied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decisions["label"] = tc.first
			inCase := func(order int32) func(*v1alpha1.ResponseAction) {
				return func(a *v1alpha1.ResponseAction) { a.Spec.Investigation, a.Spec.Order = "case", order }
			}
			w.ask("second", "isolate", inCase(2))
			w.ask("first", "label", inCase(1))
			w.expect(w.must("second"), v1alpha1.ReasonPlanning, "waits for first (order 1)")
			w.expect(w.must("first"), tc.then, "")
			w.expect(w.must("second"), v1alpha1.ReasonSucceeded, "")
		})
	}
}

func TestWhatWasNotStartedInTimeExpires(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "isolate", func(a *v1alpha1.ResponseAction) { a.Spec.ExpiresAfter = &metav1.Duration{Duration: time.Hour} })
	w.must("act")
	w.decideOn("act", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.clock.Step(2 * time.Hour)
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonExpired, "create the action again")
	if w.executions() != 0 || !response.Settled(got) {
		t.Error("an expired action is over")
	}
}

func TestUndoRestoresAndIsDecidedLikeAnyAction(t *testing.T) {
	w := newWorld(t)
	w.decisions["undo-isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
	w.ask("act", "isolate")
	w.must("act")
	w.undo("back", "act", "alice")
	w.expect(w.must("back"), v1alpha1.ReasonWaitingForApproval, "")
	w.decideOn("back", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("back"), v1alpha1.ReasonWaitingForApproval, "")
	w.decideOn("back", "bob", v1alpha1.TierAnalyst, v1alpha1.Approve)
	w.must("back")
	w.expect(w.must("back"), v1alpha1.ReasonSucceeded, "")
	if w.tool.Marked("shop/web-0", "isolate") {
		t.Error("not taken back")
	}
	got := w.get("act")
	w.expect(got, v1alpha1.ReasonUndone, "undone by back")
	if got.Status.UndoneBy != "back" {
		t.Errorf("undoneBy %q", got.Status.UndoneBy)
	}
	if types := w.log.types(); types != "intent result decision intent undo" {
		t.Errorf("log: %s", types)
	}
}

func TestUndoWaitsForWhatItTakesBack(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "isolate")
	w.undo("back", "act", "alice")
	w.expect(w.must("back"), v1alpha1.ReasonPlanning, "act is not done")
	w.must("act")
	w.must("back")
	w.must("back")
	w.expect(w.get("act"), v1alpha1.ReasonUndone, "")
}

func TestUndoAfterItsTime(t *testing.T) {
	w := newWorld(t)
	w.decisions["undo-isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
	w.ask("act", "isolate", func(a *v1alpha1.ResponseAction) {
		a.Spec.RequestedBy, a.Spec.UndoAfter = "mallory", &metav1.Duration{Duration: 10 * time.Minute}
	})
	w.must("act")
	result, err := w.pass("act")
	if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > 10*time.Minute {
		t.Fatalf("got %+v, %v; want to look again when the time is over", result, err)
	}
	w.clock.Step(10 * time.Minute)
	w.must("act")
	w.must("act")
	back := w.must("act-undo")
	if back.Spec.RequestedBy != "undo:act" || back.Spec.Undo != "act" {
		t.Errorf("spec %+v", back.Spec)
	}
	w.decideOn("act-undo", "mallory", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act-undo"), v1alpha1.ReasonWaitingForApproval, "") // who asked for the whole does not approve its end
	w.decideOn("act-undo", "alice", v1alpha1.TierAnalyst, v1alpha1.Approve)
	w.must("act-undo")
	w.must("act-undo")
	w.expect(w.get("act"), v1alpha1.ReasonUndone, "")
}

// Names come again: what an undo took back is not what has that name later.
func TestAnUndoIsOfOneAction(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "isolate")
	w.must("act")
	w.undo("back", "act", "alice")
	w.must("back")
	w.must("back")
	w.expect(w.get("act"), v1alpha1.ReasonUndone, "")
	if err := w.client.Delete(t.Context(), w.get("act")); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(time.Minute)
	w.ask("act", "isolate")
	w.must("act")
	w.restart()
	w.must("back")
	if got := w.get("act"); got.Status.UndoneBy != "" {
		t.Errorf("undoneBy is %q, which took back another action of that name", got.Status.UndoneBy)
	}
	w.expect(w.get("act"), v1alpha1.ReasonSucceeded, "")
}

// Whoever asks for the undo first and lets it expire must not keep the effect in force for good.
func TestUndoAfterSaysWhenAnotherUndoHasItsName(t *testing.T) {
	w := newWorld(t)
	w.decisions["undo-isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
	w.ask("act", "isolate", func(a *v1alpha1.ResponseAction) { a.Spec.UndoAfter = &metav1.Duration{Duration: 10 * time.Minute} })
	w.must("act")
	w.ask("act-undo", "", func(a *v1alpha1.ResponseAction) {
		a.Spec.Use, a.Spec.Undo, a.Spec.RequestedBy, a.Spec.ExpiresAfter = nil, "act", "mallory", &metav1.Duration{Duration: 15 * time.Minute}
	})
	w.expect(w.must("act-undo"), v1alpha1.ReasonWaitingForApproval, "")
	w.clock.Step(10 * time.Minute)
	if result, err := w.pass("act"); err != nil || result.RequeueAfter == 0 {
		t.Errorf("got %+v, %v; want to look again", result, err)
	}
	w.clock.Step(10 * time.Minute)
	w.expect(w.must("act-undo"), v1alpha1.ReasonExpired, "")
	if _, err := w.pass("act"); err == nil || !strings.Contains(err.Error(), "act-undo exists, ended as Expired and did not undo act: delete it") {
		t.Errorf("got %v", err)
	}
}

func TestUndoAfterSaysWhenItsNameIsTaken(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "isolate", func(a *v1alpha1.ResponseAction) { a.Spec.UndoAfter = &metav1.Duration{} })
	w.ask("act-undo", "label")
	w.must("act")
	if _, err := w.pass("act"); err == nil || !strings.Contains(err.Error(), "act-undo exists and does not undo act: delete it") {
		t.Errorf("got %v", err)
	}
}
