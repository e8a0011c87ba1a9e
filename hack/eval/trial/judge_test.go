package trial

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
)

func concluded(verdict v1alpha1.Verdict, permille int32, escalated bool) Case {
	return Case{Escalated: escalated, Status: v1alpha1.InvestigationStatus{
		Verdict: verdict, ProbabilityPermille: ptr.To(permille), Score: ptr.To(permille - 500),
		Entities:  []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Value: "shop/web-0"}},
		Timeline:  []v1alpha1.TimelineEntry{{What: "mallory ran sh"}},
		Evidence:  []v1alpha1.Evidence{{Finding: "sh is new here"}},
		Narrative: "It is an attack.",
	}}
}

func TestJudge(t *testing.T) {
	bad, good, open := concluded(v1alpha1.TruePositive, 990, true), concluded(v1alpha1.BenignPositive, 10, false), concluded(v1alpha1.Undetermined, 500, true)
	tests := map[string]struct {
		expect scenario.Expect
		cases  []Case
		want   Outcome
		text   string
	}{
		"no case":            {cases: nil, want: Outcome{Closed: true}, text: "no alert"},
		"an attack":          {cases: []Case{bad}, want: Outcome{Verdict: v1alpha1.TruePositive, Probability: 0.99}, text: "TruePositive at +49.0 dB"},
		"closed":             {cases: []Case{good}, want: Outcome{Verdict: v1alpha1.BenignPositive, Probability: 0.01, Closed: true}, text: "BenignPositive at -49.0 dB"},
		"the worst speaks":   {cases: []Case{bad, good}, want: Outcome{Verdict: v1alpha1.TruePositive, Probability: 0.99}, text: "TruePositive at +49.0 dB in the worst of 2 cases"},
		"one stays open":     {cases: []Case{good, open}, want: Outcome{Verdict: v1alpha1.BenignPositive, Probability: 0.01}, text: "BenignPositive at -49.0 dB in the worst of 2 cases"},
		"all that was asked": {scenario.Expect{Entities: []string{"Pod:shop/web-0"}, Facts: []string{"ran sh$", "^sh is new", "an attack"}}, []Case{open}, Outcome{Verdict: v1alpha1.Undetermined, Probability: 0.5}, "Undetermined at +0.0 dB"},
		"what is missing": {
			scenario.Expect{Entities: []string{"Pod:web-0"}, Facts: []string{"ran bash"}},
			[]Case{open}, Outcome{Verdict: v1alpha1.Undetermined, Probability: 0.5, Missing: []string{"Pod:web-0", "/ran bash/"}},
			"Undetermined at +0.0 dB, without Pod:web-0 and /ran bash/",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Judge(&scenario.Scenario{Expect: tt.expect}, tt.cases)
			if text := got.String(); text != tt.text {
				t.Errorf("%q, want %q", text, tt.text)
			}
			got.Cases = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestMoreInnocent: from found over undecided to closed is towards innocence, and nothing else is.
func TestMoreInnocent(t *testing.T) {
	s := &scenario.Scenario{}
	ordered := []Outcome{
		Judge(s, []Case{concluded(v1alpha1.BenignPositive, 10, false)}),
		Judge(s, []Case{concluded(v1alpha1.Undetermined, 500, true)}),
		Judge(s, []Case{concluded(v1alpha1.TruePositive, 990, true)}),
	}
	for i, o := range ordered {
		for j, than := range ordered {
			if got, want := o.MoreInnocent(than), i < j; got != want {
				t.Errorf("%s more innocent than %s: %v, want %v", o, than, got, want)
			}
		}
	}
	if !Judge(s, nil).MoreInnocent(ordered[1]) {
		t.Error("no alert is not more innocent than an alert")
	}
}
