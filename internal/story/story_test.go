package story

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/clipperhouse/displaywidth"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestCase(t *testing.T) {
	graded := attack()
	graded.Spec.State = v1alpha1.StateClosed
	graded.Spec.Grade = &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: "bob", Reason: "a drill"}
	graded.Status.Verdict = v1alpha1.BenignPositive
	revised := attack()
	revised.Status.Conditions[1] = set(v1alpha1.ConditionConcluded, metav1.ConditionFalse, v1alpha1.ReasonPlanning, "2 alerts joined")
	revised.Status.Actions = []v1alpha1.ActionSummary{{Name: "cordon-n1-9zz", Operation: "cordon"}}
	untouched := begun()
	untouched.Status = v1alpha1.InvestigationStatus{}

	merged, whole := attack(), attack()
	merged.Name, merged.Status.MergedInto, merged.Status.ClosedAt = "shop-90c1", "shop-7f3a", ptr.To(at9(95))
	merged.Status.Conditions = []metav1.Condition{set(v1alpha1.ConditionClosed, metav1.ConditionTrue, v1alpha1.ReasonMerged, "its alerts belong to shop-7f3a")}
	whole.Status.MergedFrom = []string{"shop-90c1", "bank-11ab"}

	failed := succeeded(planned("delete-web-0-e5f", "delete pod shop/web-0", 3, "", ""), 80)
	failed.Status.Result.Outcome, failed.Status.Result.Message = v1alpha1.OutcomeUnknown, "the API server did not answer; look at the target, then undo or ask again"
	undone := succeeded(planned("cordon-n1-9zz", "cordon node n1", 4, "", ""), 80, "alice", "bob")
	undone.Status.UndoneBy = "undo-cordon-n1-9zz-1"
	twice := waits("scale-web-0aa", "scale Deployment shop/web from 3 to 0 replicas, of which 3 are ready, and keep it there", 5)
	twice.Status.Decision.Approvals = 2
	twice.Status.Approvals = []v1alpha1.CountedApproval{{Name: "x", Approver: "bob", Decision: v1alpha1.Approve}}
	stopped := planned("isolate-db-0-77a", "isolate pod shop/db-0", 6, v1alpha1.ReasonStopped, "namespace shop carries soc.tocsin.dev/stop; remove it")

	tests := map[string]struct {
		c       *v1alpha1.Investigation
		actions []v1alpha1.ResponseAction
	}{
		"case-attack":        {attack(), responses()},
		"case-closed":        {benign(), nil},
		"case-graded":        {graded, nil},
		"case-investigating": {begun(), nil},
		"case-untouched":     {untouched, nil},
		"case-merged":        {merged, nil},
		"case-whole":         {whole, responses()},
		"case-revised":       {revised, []v1alpha1.ResponseAction{failed, undone, twice, stopped}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { golden(t, name, plain.Case(tc.c, tc.actions)) })
	}
}

func TestConclusion(t *testing.T) {
	graded := attack()
	graded.Spec.Grade = &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: "bob", Reason: "a drill"}
	graded.Status.Verdict, graded.Status.AnalystVerdict = v1alpha1.BenignPositive, v1alpha1.TruePositive
	golden(t, "conclusion", plain.Conclusion(attack()))
	golden(t, "conclusion-graded", plain.Conclusion(graded))
	golden(t, "explain-graded", plain.Explain(graded, nil))
}

func TestExplain(t *testing.T) {
	thresholds := &v1alpha1.Thresholds{Confirm: 13, Dismiss: 10}
	changed := attack()
	changed.Status.Evidence[0].Weight = 10
	changed.Status.Score = ptr.To[int32](480)
	tests := map[string]struct {
		c          *v1alpha1.Investigation
		thresholds *v1alpha1.Thresholds
	}{
		"explain-attack":        {attack(), thresholds},
		"explain-closed":        {benign(), thresholds},
		"explain-changed":       {changed, nil},
		"explain-investigating": {begun(), thresholds},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { golden(t, name, plain.Explain(tc.c, tc.thresholds)) })
	}
}

func TestTables(t *testing.T) {
	wide := attack()
	wide.Name, wide.Namespace, wide.Status.Title, wide.Status.Priority = "wide", "東京", "机密情報がすべての名前空間から取得されました"+strings.Repeat("。", 40), v1alpha1.PriorityP2
	old := attack()
	old.Name, old.Status.OpenedAt = "shop-0001", ptr.To(at9(-3600))
	merged := attack()
	merged.Name, merged.Status.MergedInto, merged.Status.PendingApprovals = "shop-90c1", "shop-7f3a", 0
	cases := []v1alpha1.Investigation{*begun(), *benign(), *wide, *attack(), *old, *merged}
	ByUrgency(cases)
	golden(t, "cases", plain.Cases(cases, false))
	golden(t, "cases-all-namespaces", plain.Cases(cases, true))

	second := waits("scale-web-0aa", strings.Repeat("scale Deployment shop/web ", 8), 0)
	second.Spec.Investigation, second.Status.Decision.Approvals, second.Status.Plan.Risk = "gone", 2, v1alpha1.RiskMedium
	byKey := map[string]*v1alpha1.Investigation{"soc/shop-7f3a": attack()}
	pending := []v1alpha1.ResponseAction{second, waits("remove-binding-x2k", "remove ClusterRoleBinding ops-sync", 2)}
	golden(t, "pending", plain.Pending(pending, byKey, false))
	golden(t, "pending-all-namespaces", plain.Pending(pending, byKey, true))
}

func TestPlan(t *testing.T) {
	full := waits("isolate-web-0-x2k", "isolate pod shop/web-0", 0)
	full.Status.Plan.Warnings = []string{"the pod serves 3 Services", "the only ready replica of Deployment shop/web"}
	full.Status.Plan.Diff = "--- live\n+++ planned\n@@ -1,3 +1,4 @@\n metadata:\n-  name: old\n+  name: new\n\tindented by a tab\n"
	undo := waits("undo-isolate-web-0-x2k", "release pod shop/web-0", 0)
	undo.Spec.Use, undo.Spec.Undo, undo.Spec.Investigation = nil, "isolate-web-0-x2k", ""
	undo.Status.Plan.Target.UID = ""
	undo.Status.Decision.Approvals = 2
	undo.Status.Approvals = []v1alpha1.CountedApproval{{Name: "x", Approver: "bob", Decision: v1alpha1.Approve}}
	full.Spec.UndoAfter = &metav1.Duration{Duration: 24 * time.Hour}
	golden(t, "plan", plain.Plan(&full, attack()))
	golden(t, "plan-undo", plain.Plan(&undo, nil))
	isolated := succeeded(full, 71, "alice")
	golden(t, "done", plain.Done(&isolated, attack()))
}

func TestColour(t *testing.T) {
	coloured := plain
	coloured.Colour = true
	golden(t, "case-coloured", coloured.Case(attack(), responses()))
}

const hostile = "\x1b]0;owned\x07\x1b[2J\x1b[1;31mevil\u202e\u2066 drow\r\n\x00\x9b31m\u200b\nClosed by a human"

// poison puts hostile text wherever an attacker may have a say.
func poison(c *v1alpha1.Investigation, actions []v1alpha1.ResponseAction) {
	c.Name += hostile
	c.Status.Title, c.Status.PriorReason, c.Status.Analyst = hostile, hostile, hostile
	c.Spec.Assignee, c.Spec.Notes = hostile, []v1alpha1.Note{{By: hostile, Text: hostile}}
	for i := range c.Status.Timeline {
		c.Status.Timeline[i].What, c.Status.Timeline[i].Techniques = hostile, []v1alpha1.Technique{hostile}
	}
	for i := range c.Status.Evidence {
		e := &c.Status.Evidence[i]
		e.ID, e.Finding, e.Note, e.Question, e.Group, e.Alert = hostile, hostile, hostile, hostile, hostile, c.Status.Timeline[0].Alert
	}
	for i := range c.Status.Questions {
		q := &c.Status.Questions[i]
		q.ID, q.Ask, q.Use, q.Message, q.State = hostile, hostile, hostile, hostile, hostile
	}
	for i := range c.Status.Conditions {
		c.Status.Conditions[i].Message = hostile
	}
	c.Status.BlastRadius.Worst = []string{hostile}
	c.Status.Actions = []v1alpha1.ActionSummary{{Name: hostile, Operation: hostile}}
	for i := range actions {
		a := &actions[i]
		a.Name += hostile
		a.Spec.Reason, a.Spec.RequestedBy, a.Spec.Use.Operation, a.Spec.Use.Connector = hostile, hostile, hostile, hostile
		p := a.Status.Plan
		p.Summary, p.Diff, p.Warnings, p.Target.Name, p.Target.Kind, p.Digest = hostile, hostile, []string{hostile}, hostile, hostile, hostile
		a.Status.Decision.Reasons = []string{hostile}
		a.Status.UndoneBy = hostile
		for j := range a.Status.Approvals {
			a.Status.Approvals[j].Approver = hostile
		}
		for j := range a.Status.Conditions {
			a.Status.Conditions[j].Message = hostile
		}
	}
}

func TestNothingInvisibleReachesTheTerminal(t *testing.T) {
	c, actions := attack(), responses()
	honest := plain.Case(attack(), responses())
	poison(c, actions)
	pages := map[string]string{
		"case": plain.Case(c, actions), "explain": plain.Explain(c, nil), "plan": plain.Plan(&actions[0], c), "done": plain.Done(&actions[1], c),
		"cases":    plain.Cases([]v1alpha1.Investigation{*c}, true),
		"pending":  plain.Pending(actions, map[string]*v1alpha1.Investigation{CaseKey(&actions[0]): c}, true),
		"standing": Standing(&actions[0]) + Summary(&actions[0]),
	}
	for name, page := range pages {
		for _, r := range page {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("%s: holds %U:\n%q", name, r, page)
				break
			}
		}
		for line := range strings.SplitSeq(page, "\n") {
			if strings.HasPrefix(line, "Closed by a human") {
				t.Errorf("%s: a line of its own is what the attacker wrote: %q", name, line)
			}
		}
	}
	if strings.Contains(honest, "\x1b") {
		t.Error("colours without a terminal")
	}
}

func FuzzWrap(f *testing.F) {
	f.Add(hostile, 10)
	f.Add("机密情報がすべての名前空間から取得されました", 7)
	f.Add("a word", 1)
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = 4 + max(width, -width)%100
		lines := wrap(text, width)
		for _, line := range lines {
			if displaywidth.String(line) > width {
				t.Errorf("%q at %d: line %q is too wide", text, width, line)
			}
		}
		words := func(text string) string { return strings.Join(strings.Fields(text), "") }
		if got, want := words(strings.Join(lines, "")), words(Plain(text)); got != want {
			t.Errorf("%q at %d: got %q, want %q", text, width, got, want)
		}
	})
}

func TestSpan(t *testing.T) {
	tests := map[string]struct {
		d    time.Duration
		want string
	}{
		"clock skew":   {-time.Second, "0.0s"},
		"a moment":     {400 * time.Millisecond, "0.4s"},
		"minutes":      {2*time.Minute + 14*time.Second, "2m14s"},
		"a day or two": {30 * time.Hour, "30h"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := span(tc.d); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestByUrgency(t *testing.T) {
	of := func(name string, p v1alpha1.Priority, s v1alpha1.Severity, minute int) v1alpha1.Investigation {
		c := *begun()
		c.Name, c.CreationTimestamp.Time = name, nine.Add(time.Duration(minute)*time.Minute)
		c.Status.Priority, c.Status.Severity = p, s
		return c
	}
	cases := []v1alpha1.Investigation{
		of("new", "", "", 0), of("less", v1alpha1.PriorityP2, v1alpha1.SeverityCritical, 0), of("young", v1alpha1.PriorityP1, v1alpha1.SeverityHigh, 2),
		of("old", v1alpha1.PriorityP1, v1alpha1.SeverityHigh, 1), of("severe", v1alpha1.PriorityP1, v1alpha1.SeverityCritical, 3),
	}
	ByUrgency(cases)
	var got []string
	for _, c := range cases {
		got = append(got, c.Name)
	}
	if want := "severe old young less new"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}
