package investigation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// Alerts that keep coming must not keep the case without a verdict.
func TestDeskConcludesUnderAFlood(t *testing.T) {
	d := newDesk(2)
	d.patience = 20 * time.Millisecond
	slow := func(title string) func(context.Context) (outcome, error) {
		return func(ctx context.Context) (outcome, error) {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return outcome{}, ctx.Err()
			}
			return outcome{status: v1alpha1.InvestigationStatus{Title: title}}, nil
		}
	}
	for i := range 10_000 {
		subject := fmt.Sprintf("%d alerts", i)
		found, finished, err := d.collect(t.Context(), caseKey, subject, 0, slow(subject))
		if err != nil {
			t.Fatal(err)
		}
		if finished {
			if found.status.Title == "" {
				t.Error("an outcome of nothing")
			}
			break
		}
		if i == 9_999 {
			t.Fatal("no conclusion")
		}
		time.Sleep(time.Millisecond)
	}
	if _, finished, _ := d.collect(t.Context(), caseKey, "one more", 0, slow("one more")); finished {
		t.Error("the outcome was returned twice")
	}
}

func TestOutcomeOfFewerAlerts(t *testing.T) {
	f := concluded(v1alpha1.Undetermined, "decides neither way", "a")
	old := f.subject()
	f.add("b")
	status := v1alpha1.InvestigationStatus{Verdict: v1alpha1.BenignPositive, Alerts: []string{"a"}, AlertCount: 1, ObservedGeneration: 1}
	f.conclude(outcome{subject: old, status: status}, moment)
	f.judge(moment)
	if got := f.reason(v1alpha1.ConditionClosed); got != "False Open" {
		t.Errorf("Closed is %q although an alert was not looked at", got)
	}
	if f.current() || f.investigation.Status.AlertCount != 1 {
		t.Error("the outcome passes for one about every alert")
	}
}

// Who looks at the queue hears of what makes a case worse.
func TestNews(t *testing.T) {
	tests := map[string]struct {
		change func(*v1alpha1.InvestigationStatus)
		want   bool
	}{
		"nothing":                        {func(*v1alpha1.InvestigationStatus) {}, false},
		"another alert of the same sort": {func(s *v1alpha1.InvestigationStatus) { s.AlertCount = 2 }, false},
		"another verdict":                {func(s *v1alpha1.InvestigationStatus) { s.Verdict = v1alpha1.TruePositive }, true},
		"more urgent":                    {func(s *v1alpha1.InvestigationStatus) { s.Priority = v1alpha1.PriorityP1 }, true},
		"less urgent":                    {func(s *v1alpha1.InvestigationStatus) { s.Priority = v1alpha1.PriorityP4 }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := concluded(v1alpha1.Undetermined, "decides neither way", "a").investigation
			before.Status.Priority = v1alpha1.PriorityP3
			after := before.DeepCopy()
			test.change(&after.Status)
			if got := news(before, after); got != test.want {
				t.Errorf("news: %t, want %t", got, test.want)
			}
		})
	}
	f := concluded(v1alpha1.TruePositive, "an attack", "a")
	f.investigation.Spec.State = v1alpha1.StateClosed
	f.judge(moment)
	before := f.investigation.DeepCopy()
	f.add("late")
	f.conclude(outcome{subject: f.subject(), status: v1alpha1.InvestigationStatus{Verdict: v1alpha1.TruePositive}, escalateReason: "an attack"}, moment)
	f.judge(moment)
	if !news(before, f.investigation) {
		t.Error("an alert was lost in a case that a human had closed")
	}
}

// catalog knows one operation.
type catalog struct{ only operation.Operation }

func (c catalog) Operation(string, string) (operation.Operation, error) { return c.only, nil }

func TestQuestionsAboutTheWorstComeFirst(t *testing.T) {
	tool := catalog{operation.MustCompile(operation.Operation{
		Name: "look", Mode: v1alpha1.OperationRead, Arguments: `{"type": "object"}`, Result: `{"type": "object"}`,
	})[0]}
	book, err := playbook.Compile("book", v1alpha1.PlaybookSpec{Match: "true", Questions: []v1alpha1.Question{{
		ID: "what", Ask: "What?", Use: v1alpha1.Use{Connector: "tool", Operation: "look", With: &runtime.RawExtension{Raw: []byte(`{"name": "${alert.name}"}`)}},
	}}}, tool)
	if err != nil {
		t.Fatal(err)
	}
	var specs []v1alpha1.AlertSpec
	var alerts []playbook.Alert
	for i := range maxQuestions + 50 {
		a := v1alpha1.Alert{Spec: v1alpha1.AlertSpec{Severity: v1alpha1.SeverityMedium}}
		a.Name = fmt.Sprint(i)
		if i == maxQuestions+49 {
			a.Spec.Severity = v1alpha1.SeverityCritical
		}
		specs, alerts = append(specs, a.Spec), append(alerts, playbook.NewAlert(&a, v1alpha1.FormatFalco))
	}
	all, unknown := questions([]*playbook.Playbook{book}, alerts, worstFirst(specs))
	if len(all) != maxQuestions || len(unknown) != 1 {
		t.Errorf("%d questions, not known: %v", len(all), unknown)
	}
	if last := all[len(all)-1]; last.index != maxQuestions+49 {
		t.Errorf("the last question is about alert %d", last.index)
	}
	if !slices.IsSortedFunc(all, func(a, b asked) int { return a.index - b.index }) {
		t.Error("the questions are not in the order of the alerts")
	}
}

// A case of any size fits into the audit log.
func TestRecordFits(t *testing.T) {
	log, err := audit.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	f := &caseFile{investigation: &v1alpha1.Investigation{}}
	f.investigation.Namespace, f.investigation.Name = "soc", "case"
	f.investigation.Spec.Grade = &v1alpha1.Grade{Verdict: v1alpha1.TruePositive, By: "alice", Reason: strings.Repeat("x", 1024)}
	for i := range 5000 {
		a := v1alpha1.Alert{Spec: v1alpha1.AlertSpec{
			Rule: strings.Repeat("\U0001F6A8", 253), Fingerprint: strings.Repeat("a", 64), RawDigest: strings.Repeat("b", 64),
		}}
		a.Name = fmt.Sprintf("%053d", i)
		f.alerts = append(f.alerts, a)
	}
	number := int32(1)
	status := &v1alpha1.InvestigationStatus{Verdict: v1alpha1.Undetermined, Title: strings.Repeat("\U0001F6A8", 512), Score: &number, Prior: &number}
	if err := (&Investigator{Log: log, Now: time.Now}).record(t.Context(), f, status); err != nil {
		t.Error(err)
	}
}
