package responseaction_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
)

func following(action string, ended ...v1alpha1.ActionEnd) func(*v1alpha1.ResponseAction) {
	return func(a *v1alpha1.ResponseAction) { a.Spec.After = []v1alpha1.Earlier{{Action: action, Ended: ended}} }
}

func TestActionsFollowHowEarlierOnesEnd(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("then", "label", following("first"))
	w.expect(w.must("then"), v1alpha1.ReasonPlanning, "spec.after[0].action: waits for a ResponseAction first")
	w.ask("otherwise", "delete", following("first", v1alpha1.EndRefused, "Failed"))
	w.ask("last", "label", following("otherwise"))
	w.ask("first", "isolate")
	w.must("first")
	w.expect(w.must("then"), v1alpha1.ReasonPlanning, "spec.after[0]: waits for first to end (WaitingForApproval)")
	w.expect(w.must("otherwise"), v1alpha1.ReasonPlanning, "")
	if w.executions() != 0 {
		t.Fatal("something ran before what it depends on")
	}

	w.decideOn("first", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.expect(w.must("first"), v1alpha1.ReasonSucceeded, "")
	w.expect(w.must("then"), v1alpha1.ReasonSucceeded, "")
	got := w.must("otherwise")
	w.expect(got, v1alpha1.ReasonConditionNotMet, "not done: first ended Succeeded, and spec.after[0] waits for Refused or Failed")
	w.expect(w.must("last"), v1alpha1.ReasonConditionNotMet, "not done: otherwise ended Refused, and spec.after[0] waits for Succeeded or Skipped")
	entries := len(w.log.all())
	w.expect(w.must("otherwise"), v1alpha1.ReasonConditionNotMet, "")
	if w.executions() != 2 || len(w.log.all()) != entries {
		t.Errorf("%d executions, log %s", w.executions(), w.log.types())
	}
}

func TestAWayOutWhereAnActionFails(t *testing.T) {
	w := newWorld(t)
	w.ask("first", "isolate")
	w.ask("otherwise", "delete", following("first", v1alpha1.EndRefused, "Failed", "Unknown"))
	w.tool.At(fake.AtExecute, func() error { return connectors.ErrForbidden })
	w.expect(w.must("first"), v1alpha1.ReasonFailed, "")
	w.expect(w.must("otherwise"), v1alpha1.ReasonSucceeded, "")
}

func TestAnActionAfterItself(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "label", following("act"))
	w.expect(w.must("act"), v1alpha1.ReasonInvalidSpec, "spec.after[0].action: names this action itself")
}
