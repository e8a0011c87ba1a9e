package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestPatienceAndBreakGlass(t *testing.T) {
	with := func(name string, remind, escalate time.Duration, glass v1alpha1.BreakGlass) Candidate {
		c := said(t, name, `require contains {"tier": "analyst", "approvals": 2, "reason": "two"} if true`)
		c.RemindAfter, c.EscalateAfter, c.BreakGlass = remind, escalate, glass
		return c
	}
	allowed := with("allowed", 5*time.Minute, 0, v1alpha1.BreakGlassAllowed)
	foreign, forbids := with("foreign", 0, 0, v1alpha1.BreakGlassAllowed), with("forbids", 0, 0, "")
	foreign.Foreign, forbids.Foreign = true, true
	broken := Candidate{Name: "broken", BreakGlass: v1alpha1.BreakGlassAllowed, NotReady: "not Rego"}
	type answer struct {
		Remind, Escalate time.Duration
		Glass            v1alpha1.BreakGlass
	}
	tests := map[string]struct {
		candidates []Candidate
		want       answer
	}{
		"no policy":                                   {nil, answer{time.Hour, 2 * time.Hour, "Forbidden"}},
		"one that says nothing of it":                 {[]Candidate{with("a", 0, 0, "")}, answer{time.Hour, 2 * time.Hour, "Forbidden"}},
		"one that allows it":                          {[]Candidate{allowed}, answer{5 * time.Minute, 2 * time.Hour, "Allowed"}},
		"the shortest holds":                          {[]Candidate{allowed, with("b", time.Minute, 3*time.Hour, "Allowed")}, answer{time.Minute, 3 * time.Hour, "Allowed"}},
		"longer than where none says":                 {[]Candidate{with("a", 0, 8*time.Hour, "")}, answer{time.Hour, 8 * time.Hour, "Forbidden"}},
		"all must allow it":                           {[]Candidate{allowed, with("b", 0, 0, "Forbidden")}, answer{5 * time.Minute, 2 * time.Hour, "Forbidden"}},
		"a foreign one alone":                         {[]Candidate{foreign}, answer{time.Hour, 2 * time.Hour, "Forbidden"}},
		"a foreign one that allows it, and one's own": {[]Candidate{allowed, foreign}, answer{5 * time.Minute, 2 * time.Hour, "Allowed"}},
		"a foreign one that forbids it":               {[]Candidate{allowed, forbids}, answer{5 * time.Minute, 2 * time.Hour, "Forbidden"}},
		"one that cannot be asked":                    {[]Candidate{allowed, broken}, answer{5 * time.Minute, 2 * time.Hour, "Forbidden"}},
		"shorter than may be":                         {[]Candidate{with("a", -time.Hour, time.Nanosecond, "")}, answer{time.Hour, 2 * time.Hour, "Forbidden"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := Decide(t.Context(), test.candidates, Input{Action: Action{Risk: v1alpha1.RiskHigh}})
			got := answer{d.RemindAfter.Duration, d.EscalateAfter.Duration, d.BreakGlass}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPatienceThatIsTooShort(t *testing.T) {
	tests := map[string]func(*v1alpha1.ApprovalPolicySpec){
		"spec.remindAfter: must be at least 1m0s, not 30s": func(s *v1alpha1.ApprovalPolicySpec) {
			s.RemindAfter = &metav1.Duration{Duration: 30 * time.Second}
		},
		"spec.escalateAfter: must be at least 1m0s, not -1h0m0s": func(s *v1alpha1.ApprovalPolicySpec) {
			s.EscalateAfter = &metav1.Duration{Duration: -time.Hour}
		},
	}
	for want, alter := range tests {
		t.Run(want, func(t *testing.T) {
			s := spec(`allow contains "fine" if true`)
			alter(&s)
			_, err := Check(s)
			var invalid *SpecError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// Nobody can be demanded at tier break-glass: it only stands for others.
func TestBreakGlassIsNotDemanded(t *testing.T) {
	c := said(t, "a", `require contains {"tier": "break-glass", "approvals": 1, "reason": "alone"} if true`)
	c.BreakGlass = v1alpha1.BreakGlassAllowed
	d := Decide(t.Context(), []Candidate{c}, Input{Action: Action{Risk: v1alpha1.RiskCritical}})
	if d.Tier != v1alpha1.TierSenior || d.Approvals != 2 || d.BreakGlass != v1alpha1.BreakGlassForbidden {
		t.Errorf("decision %+v", d)
	}
}
