package responseaction_test

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestPeopleAreRemindedAndTheNextTierIsTold(t *testing.T) {
	w := newWorld(t)
	decision := requireTier(v1alpha1.TierAnalyst, 1)
	decision.RemindAfter, decision.EscalateAfter = &metav1.Duration{Duration: 10 * time.Minute}, &metav1.Duration{Duration: 25 * time.Minute}
	w.decisions["isolate"] = decision
	w.ask("act", "isolate")
	w.must("act")
	w.told()

	w.clock.Step(9 * time.Minute)
	w.must("act")
	if told := w.told(); len(told) != 0 {
		t.Errorf("too early: %q", told)
	}
	w.clock.Step(2 * time.Minute)
	result, err := w.pass("act")
	if err != nil || result.RequeueAfter > 9*time.Minute {
		t.Errorf("looks again after %s, %v: the next reminder is due in nine minutes", result.RequeueAfter, err)
	}
	w.must("act")
	if told := w.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Warning Reminder since ") || !strings.Contains(told[0], "waits for 1 more of tier analyst") {
		t.Errorf("events: %q", told)
	}
	w.restart()
	w.clock.Step(15 * time.Minute)
	got := w.must("act")
	if told := w.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Warning Escalated for tier senior") {
		t.Errorf("events: %q", told)
	}
	w.expect(got, v1alpha1.ReasonWaitingForApproval, "waits for 1 more of tier analyst, escalated to senior")
	if c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionEscalated); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("conditions: %+v", got.Status.Conditions)
	}
	if types := w.log.types(); types != "decision decision" || w.log.all()[1].Data["escalatedTo"] != "senior" {
		t.Errorf("log: %s", types)
	}
	w.must("act")
	if told := w.told(); len(told) != 0 {
		t.Errorf("said twice: %q", told)
	}
	// What was demanded still is enough.
	w.decideOn("act", "alice", v1alpha1.TierAnalyst, v1alpha1.Approve)
	w.clock.SetTime(time.Now())
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}

func TestOnePersonRunsItInAnEmergency(t *testing.T) {
	w := newWorld(t)
	decision := requireTier(v1alpha1.TierSenior, 2)
	decision.BreakGlass = v1alpha1.BreakGlassAllowed
	w.decisions["isolate"], w.decisions["label"] = decision, requireTier(v1alpha1.TierSenior, 2)
	w.ask("act", "isolate")
	w.ask("other", "label")
	w.must("act")
	w.must("other")
	w.told()

	w.breakGlass("act", "the shop is being encrypted, nobody else answers")
	w.breakGlass("other", "the shop is being encrypted, nobody else answers")
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonSucceeded, "")
	w.expect(w.must("other"), v1alpha1.ReasonWaitingForApproval, "waits for 2 more")
	if c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionAuthorized); c == nil || c.Reason != v1alpha1.ReasonBreakGlass {
		t.Errorf("conditions: %+v", got.Status.Conditions)
	}
	want := "Warning BreakGlass run by alice alone (break-glass): the shop is being encrypted, nobody else answers, passing over 2 of tier senior"
	if told := w.told(); len(told) != 2 || !strings.HasPrefix(told[0], want) {
		t.Errorf("events: %q", told)
	}
	var logged any
	for _, e := range w.log.all() {
		if e.Type == "intent" {
			logged = e.Data["breakGlass"]
		}
	}
	if logged != "alice alone (break-glass): the shop is being encrypted, nobody else answers" {
		t.Errorf("the intent says %v", logged)
	}
}

func (w *world) breakGlass(action, reason string) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), w.emergency(action, reason)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) emergency(action, reason string) *v1alpha1.Approval {
	return &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, GenerateName: action + "-"},
		Spec: v1alpha1.ApprovalSpec{
			Action: action, PlanDigest: w.get(action).Status.Plan.Digest, Decision: v1alpha1.Approve, Tier: v1alpha1.TierBreakGlass,
			Approver: "alice", Reason: reason,
		},
	}
}

func TestAnEmergencyNeedsAReason(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 2)
	w.ask("act", "isolate")
	w.must("act")
	err := w.client.Create(t.Context(), w.emergency("act", "ok                     "))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.reason") {
		t.Errorf("error is %v", err)
	}
}

func TestNobodyApprovesWhatTheyAskedForThroughOthers(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
	w.ask("act", "isolate")
	w.must("act")
	w.behind = []string{"paul"}
	w.decideOn("act", "paul", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonWaitingForApproval, "waits for 1 more")
	w.decideOn("act", "alice", v1alpha1.TierAnalyst, v1alpha1.Approve)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}
