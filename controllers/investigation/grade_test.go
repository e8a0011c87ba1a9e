package investigation_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/archive"
)

// in makes an alert number n of a rule in a case.
func (w *world) in(name string, n int, rule string) *v1alpha1.Alert {
	a := w.alert(n, func(s *v1alpha1.AlertSpec) { s.Rule = rule })
	a.Labels[v1alpha1.LabelInvestigation] = name
	return a
}

func (w *world) verdict(name string) *v1alpha1.Investigation {
	w.t.Helper()
	return w.untilCase(name, "a verdict on "+name, func(c *v1alpha1.Investigation) bool { return reason(c, v1alpha1.ConditionConcluded) != "" })
}

func (w *world) grade(c *v1alpha1.Investigation, verdict v1alpha1.Verdict, by string) *v1alpha1.Investigation {
	w.t.Helper()
	w.say(c, func(s *v1alpha1.InvestigationSpec) {
		s.Grade = &v1alpha1.Grade{Verdict: verdict, By: by, Reason: "looked at"}
	})
	return w.untilCase(c.Name, "the grade of "+by, func(c *v1alpha1.Investigation) bool {
		return c.Status.Verdict == verdict && c.Status.ObservedGeneration == c.Generation
	})
}

// A grade moves the prior of the rules in its case, for other cases of the same tenant;
// not that of the case itself, whose analyst would only hear an echo.
func TestAGradeMovesThePriorOfItsRuleOnly(t *testing.T) {
	w := newWorld(t)
	w.tool.unknown.Store(true) // decides neither way
	w.create(w.in("graded", 0, "shell"))
	stop := w.start(nil)
	c := w.verdict("graded")
	before := *c.Status.Prior
	c = w.grade(c, v1alpha1.TruePositive, "alice")
	if *c.Status.Prior != before || c.Status.AnalystVerdict != v1alpha1.Undetermined {
		t.Errorf("its own grade moved the case's prior from %d to %d, and the analyst's verdict to %s", before, *c.Status.Prior, c.Status.AnalystVerdict)
	}

	w.create(w.in("same-rule", 1, "shell"), w.in("other-rule", 2, "miner"))
	const medium = -70
	tests := map[string]struct {
		want       int32
		wantReason string
	}{
		// (1 + 2 x 16.6 %) / (1 + 2) = 44.4 %
		"same-rule":  {-10, "1 of 1 graded cases of rule “shell” were attacks, recent ones count more: effective 1.0 of 1.0"},
		"other-rule": {medium, "no graded case of rule “miner”"},
	}
	for name, tt := range tests {
		got := w.verdict(name)
		if *got.Status.Prior != tt.want || !strings.Contains(got.Status.PriorReason, tt.wantReason) {
			t.Errorf("%s: prior %d: %s, want %d: %s", name, *got.Status.Prior, got.Status.PriorReason, tt.want, tt.wantReason)
		}
	}
	if other, err := w.archive.RuleHistory(t.Context(), "another-tenant", "shell", ""); err != nil || len(other.Grades) > 0 {
		t.Errorf("another tenant learns %+v, %v", other, err)
	}

	// Who grades anew replaces the grade; who starts with an empty archive has it again.
	w.grade(c, v1alpha1.BenignPositive, "bob")
	stop()
	w.openArchive()
	w.start(nil)
	w.create(w.in("later", 3, "shell"))
	later := w.verdict("later")
	var history archive.RuleHistory
	w.eventually("the grade to come back", func() bool {
		var err error
		history, err = w.archive.RuleHistory(t.Context(), w.namespace, "shell", "")
		return err == nil && len(history.Grades) > 0
	})
	want := []archive.Grades{{Day: c.CreationTimestamp.UTC().Truncate(24 * time.Hour), Verdict: v1alpha1.BenignPositive, Cases: 1}}
	if diff := cmp.Diff(want, history.Grades); diff != "" {
		t.Errorf("after %s: grades (-want +got):\n%s", later.Name, diff)
	}
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	err := wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return holds(), nil })
	if err != nil {
		w.t.Fatalf("waiting for %s: %v", what, err)
	}
}

// Whatever digest the status and the log state, the archive has it; and the case itself.
func TestEvidenceIsArchived(t *testing.T) {
	w := newWorld(t)
	w.create(w.alert(0))
	w.start(nil)
	c := w.until("the case to close", func(c *v1alpha1.Investigation) bool { return reason(c, v1alpha1.ConditionClosed) != "" })
	answers := 0
	for _, q := range c.Status.Questions {
		if q.State != v1alpha1.QuestionAnswered {
			continue
		}
		answers++
		if raw, err := w.archive.Blob(t.Context(), q.AnswerDigest); err != nil || !json.Valid(raw) {
			t.Errorf("the answer to %s: %q, %v", q.ID, raw, err)
		}
	}
	if answers < 3 {
		t.Errorf("only %d questions were answered", answers)
	}
	evidence, err := json.Marshal(c.Status.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(evidence)
	if raw, err := w.archive.Blob(t.Context(), hex.EncodeToString(sum[:])); err != nil || string(raw) != string(evidence) {
		t.Errorf("the evidence: %q, %v", raw, err)
	}
	got, err := w.archive.Case(t.Context(), w.namespace, caseName)
	if err != nil {
		t.Fatal(err)
	}
	want := archive.Case{
		Namespace: w.namespace, Name: caseName, UID: string(c.UID), Title: c.Status.Title, Narrative: c.Status.Narrative, Priority: c.Status.Priority,
		Severity: c.Status.Severity, Verdict: v1alpha1.BenignPositive, Analyst: v1alpha1.BenignPositive, Score: *c.Status.Score, Alerts: 1,
		Opened: c.CreationTimestamp.UTC(), Concluded: c.Status.ConcludedAt.UTC(), Closed: c.Status.ClosedAt.UTC(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("case (-want +got):\n%s", diff)
	}
}

// Nothing is shown that the archive could not keep, be it a verdict or a grade; it is
// once there is room again.
func TestNothingIsShownThatIsNotArchived(t *testing.T) {
	w := newWorld(t)
	w.tool.unknown.Store(true)
	w.full.Store(true)
	w.create(w.alert(0))
	w.start(nil)
	w.eventually("a verdict to be refused", func() bool { return w.refused.Load() > 1 })
	w.until("no verdict", func(c *v1alpha1.Investigation) bool { return c.Status.Verdict == "" })
	w.full.Store(false)
	c := w.concluded(1)

	w.full.Store(true)
	w.refused.Store(0)
	w.say(c, func(s *v1alpha1.InvestigationSpec) {
		s.Grade = &v1alpha1.Grade{Verdict: v1alpha1.FalsePositive, By: "alice", Reason: "a drill"}
	})
	w.eventually("the grade to be refused", func() bool { return w.refused.Load() > 1 })
	w.until("the verdict to be the analyst's", func(c *v1alpha1.Investigation) bool { return c.Status.Verdict == v1alpha1.Undetermined })
	w.full.Store(false)
	w.until("the verdict to be the human's", func(c *v1alpha1.Investigation) bool { return c.Status.Verdict == v1alpha1.FalsePositive })
}

// How often analyst and humans agree counts each case once, by its latest grade.
func TestAgreementIsAMetric(t *testing.T) {
	w := newWorld(t)
	w.tool.answers(benign(false)) // an attack
	w.create(w.in("one", 0, "shell"), w.in("two", 1, "shell"), w.in("three", 2, "shell"))
	stop := w.start(nil)
	w.grade(w.verdict("one"), v1alpha1.TruePositive, "alice")
	w.grade(w.grade(w.verdict("two"), v1alpha1.FalsePositive, "alice"), v1alpha1.TruePositive, "bob")
	w.grade(w.verdict("three"), v1alpha1.BenignPositive, "alice")
	stop()
	w.start(nil) // looks at each case again
	w.create(w.in("four", 3, "shell"))
	w.verdict("four")
	want := map[string]float64{"TruePositive TruePositive true": 2, "TruePositive BenignPositive false": 1, "TruePositive FalsePositive false": 0}
	got := gradedCases(t)
	for labels, n := range want {
		if got[labels] != n {
			t.Errorf("%s: %v, want %v (all: %v)", labels, got[labels], n, got)
		}
	}
}

// gradedCases by their labels analyst, human and agree.
func gradedCases(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.(prometheus.Gatherer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "tocsin_graded_cases" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			found[labels["analyst"]+" "+labels["human"]+" "+labels["agree"]] = m.GetGauge().GetValue()
		}
	}
	return found
}
