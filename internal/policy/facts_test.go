package policy

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// A responder's own grade must not be what a policy trusts when they act.
func TestSpoken(t *testing.T) {
	graded := &v1alpha1.Investigation{
		Spec:   v1alpha1.InvestigationSpec{Grade: &v1alpha1.Grade{Verdict: v1alpha1.TruePositive, By: "alice"}},
		Status: v1alpha1.InvestigationStatus{Verdict: v1alpha1.TruePositive, AnalystVerdict: v1alpha1.Undetermined},
	}
	concluded := &v1alpha1.Investigation{
		Status: v1alpha1.InvestigationStatus{Verdict: v1alpha1.BenignPositive, AnalystVerdict: v1alpha1.BenignPositive},
	}
	const account = "system:serviceaccount:soc:bot"
	byAccount := graded.DeepCopy()
	byAccount.Spec.Grade.By = account
	tests := map[string]struct {
		of           *v1alpha1.Investigation
		requester    string
		wantVerdict  v1alpha1.Verdict
		wantGradedBy string
	}{
		"the analyst's":                      {concluded, "alice", v1alpha1.BenignPositive, ""},
		"somebody's, for somebody else":      {graded, "bob", v1alpha1.TruePositive, "alice"},
		"somebody's, for a playbook":         {graded, "playbook:shell", v1alpha1.TruePositive, "alice"},
		"one's own counts for nothing there": {graded, "alice", v1alpha1.Undetermined, ""},
		// Whoever may act as the account may be who graded.
		"somebody's, for a ServiceAccount":    {graded, account, v1alpha1.Undetermined, ""},
		"a ServiceAccount's, for somebody":    {byAccount, "alice", v1alpha1.Undetermined, ""},
		"a ServiceAccount's, for a playbook":  {byAccount, "playbook:shell", v1alpha1.TruePositive, account},
		"a ServiceAccount's, for the analyst": {byAccount, "analyst", v1alpha1.TruePositive, account},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			verdict, by := spoken(tc.of, tc.requester)
			if verdict != tc.wantVerdict || by != tc.wantGradedBy {
				t.Errorf("got %s by %q, want %s by %q", verdict, by, tc.wantVerdict, tc.wantGradedBy)
			}
		})
	}
}
