package investigation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var moment = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// concluded returns a case file about alerts that was concluded with a verdict.
func concluded(verdict v1alpha1.Verdict, escalate string, alerts ...string) *caseFile {
	f := &caseFile{investigation: &v1alpha1.Investigation{}}
	f.investigation.Name, f.investigation.Generation = "case", 1
	f.add(alerts...)
	f.conclude(outcome{subject: f.subject(), status: v1alpha1.InvestigationStatus{Verdict: verdict, Title: "It happened"}, escalateReason: escalate}, moment)
	f.summarise(nil)
	f.judge(moment)
	return f
}

func (f *caseFile) add(alerts ...string) {
	for _, name := range alerts {
		alert := v1alpha1.Alert{}
		alert.Name = name
		f.alerts = append(f.alerts, alert)
	}
}

func (f *caseFile) reason(kind string) string {
	if c := meta.FindStatusCondition(f.investigation.Status.Conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		verdict  v1alpha1.Verdict
		escalate string
		change   func(*caseFile)

		wantClosed, wantEscalated string
		wantVerdict               v1alpha1.Verdict
	}{
		"what is dismissed closes by itself": {
			verdict: v1alpha1.BenignPositive, wantVerdict: v1alpha1.BenignPositive,
			wantClosed: "True ClosedByAnalyst", wantEscalated: "False NotEscalated",
		},
		"an attack waits for a human": {
			verdict: v1alpha1.TruePositive, escalate: "an attack", wantVerdict: v1alpha1.TruePositive,
			wantClosed: "False Open", wantEscalated: "True Escalated",
		},
		"what is not known waits for a human": {
			verdict: v1alpha1.Undetermined, escalate: "decides neither way", wantVerdict: v1alpha1.Undetermined,
			wantClosed: "False Open", wantEscalated: "True Escalated",
		},
		"a human closes": {
			verdict: v1alpha1.TruePositive, escalate: "an attack", wantVerdict: v1alpha1.TruePositive,
			change:     func(f *caseFile) { f.investigation.Spec.State = v1alpha1.StateClosed },
			wantClosed: "True ClosedByHuman", wantEscalated: "False NotEscalated",
		},
		"a grade is the verdict and leaves closing to the human": {
			verdict: v1alpha1.Undetermined, escalate: "decides neither way", wantVerdict: v1alpha1.FalsePositive,
			change: func(f *caseFile) {
				f.investigation.Spec.Grade = &v1alpha1.Grade{Verdict: v1alpha1.FalsePositive, By: "alice", Reason: "a test"}
			},
			wantClosed: "False Open", wantEscalated: "True Escalated",
		},
		"an alert that joined at the last moment opens a dismissed case again": {
			verdict: v1alpha1.BenignPositive, wantVerdict: v1alpha1.TruePositive,
			change: func(f *caseFile) {
				f.add("late")
				f.conclude(outcome{subject: f.subject(), status: v1alpha1.InvestigationStatus{Verdict: v1alpha1.TruePositive}, escalateReason: "an attack"}, moment)
			},
			wantClosed: "False Open", wantEscalated: "True Escalated",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := concluded(test.verdict, test.escalate, "a")
			if test.change != nil {
				test.change(f)
				f.judge(moment)
			}
			if got := f.reason(v1alpha1.ConditionClosed); got != test.wantClosed {
				t.Errorf("Closed is %q, want %q", got, test.wantClosed)
			}
			if got := f.reason(v1alpha1.ConditionEscalated); got != test.wantEscalated {
				t.Errorf("Escalated is %q, want %q", got, test.wantEscalated)
			}
			if got := f.investigation.Status.Verdict; got != test.wantVerdict {
				t.Errorf("verdict is %q, want %q", got, test.wantVerdict)
			}
		})
	}
}

func TestCurrent(t *testing.T) {
	tests := map[string]struct {
		change func(*caseFile)
		want   bool
	}{
		"nothing changed":                      {change: func(*caseFile) {}, want: true},
		"an alert joined":                      {change: func(f *caseFile) { f.add("b") }},
		"an alert was replaced by another":     {change: func(f *caseFile) { f.alerts[0].Name = "b" }},
		"a human said something":               {change: func(f *caseFile) { f.investigation.Generation++ }},
		"there never was a verdict":            {change: func(f *caseFile) { f.investigation.Status.Conditions = nil }},
		"an action was announced, not created": {change: func(f *caseFile) { f.announce("isolate", "") }},
		"an action was created and is gone":    {change: func(f *caseFile) { f.announce("isolate", v1alpha1.ReasonDenied) }, want: true},
		"an action was announced and exists": {
			change: func(f *caseFile) {
				f.announce("isolate", "")
				action := v1alpha1.ResponseAction{}
				action.Name = "isolate"
				f.actions = append(f.actions, action)
			},
			want: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := concluded(v1alpha1.TruePositive, "an attack", "a")
			test.change(f)
			if got := f.current(); got != test.want {
				t.Errorf("current is %t, want %t", got, test.want)
			}
		})
	}
}

func (f *caseFile) announce(name, reason string) {
	f.investigation.Status.Actions = append(f.investigation.Status.Actions, v1alpha1.ActionSummary{Name: name, Operation: "isolate-pod", Reason: reason})
}

func TestSummarise(t *testing.T) {
	f := concluded(v1alpha1.TruePositive, "an attack", "a")
	proposed := &v1alpha1.ResponseAction{}
	proposed.Name, proposed.Spec.Use = "b-new", &v1alpha1.ActionUse{Operation: "label"}
	waiting := v1alpha1.ResponseAction{}
	waiting.Name, waiting.Spec.Undo = "a-undo", "something"
	meta.SetStatusCondition(&waiting.Status.Conditions, condition(v1alpha1.ReasonWaitingForApproval))
	f.actions = append(f.actions, waiting)

	f.summarise([]*v1alpha1.ResponseAction{proposed})

	want := []v1alpha1.ActionSummary{
		{Name: "a-undo", Operation: "undo", Reason: v1alpha1.ReasonWaitingForApproval},
		{Name: "b-new", Operation: "label"},
	}
	if diff := cmp.Diff(want, f.investigation.Status.Actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if got := f.investigation.Status.PendingApprovals; got != 1 {
		t.Errorf("%d pending approvals, want 1", got)
	}
}
