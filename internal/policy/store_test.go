package policy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func object(name string, uid types.UID, generation int64, body string) *v1alpha1.ApprovalPolicy {
	return &v1alpha1.ApprovalPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name, UID: uid, Generation: generation},
		Spec:       spec(body),
	}
}

func TestStoreCompilesEachGenerationOnce(t *testing.T) {
	s := NewStore("tocsin-system")
	compiled := func(p *v1alpha1.ApprovalPolicy) *Policy {
		t.Helper()
		c, err := s.Compiled(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := compiled(object("a", "1", 1, `allow contains "x" if true`))
	if compiled(object("a", "1", 1, `allow contains "x" if true`)) != first {
		t.Error("the same generation was compiled twice")
	}
	second := compiled(object("a", "1", 2, `deny contains "x" if true`))
	if second == first {
		t.Error("a new generation was not compiled")
	}
	if compiled(object("a", "2", 2, `deny contains "y" if true`)) == second {
		t.Error("another object of the same name was not compiled")
	}
	s.Forget(types.NamespacedName{Namespace: "soc", Name: "a"})
	if len(s.compiled) != 0 {
		t.Errorf("%d are kept after Forget", len(s.compiled))
	}
}

func TestStoreSharesTheWork(t *testing.T) {
	s := NewStore("tocsin-system")
	found := make([]*Policy, 16)
	var wg sync.WaitGroup
	for i := range found {
		wg.Go(func() { found[i], _ = s.Compiled(t.Context(), object("a", "1", 1, `allow contains "x" if true`)) })
	}
	wg.Wait()
	for _, p := range found {
		if p == nil || p != found[0] {
			t.Fatal("not everybody got the same policy")
		}
	}
}

func TestStoreIsNotMarkedByImpatience(t *testing.T) {
	s := NewStore("tocsin-system")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Compiled(gone, object("a", "1", 1, `allow contains "x" if true`)); err != nil {
		t.Errorf("who came first had no time left, and now it does not compile: %v", err)
	}
}

func TestCandidates(t *testing.T) {
	good, bad := object("good", "1", 1, `allow contains "x" if true`), object("bad", "2", 1, "deny {\n\nallow }")
	bad.Spec.Scope = &v1alpha1.PolicyScope{Operations: []string{"label"}}
	bad.Spec.ApprovalTTL = hours(2)
	got := NewStore("tocsin-system").Candidates(t.Context(), "soc", []v1alpha1.ApprovalPolicy{*good, *bad})
	want := []Candidate{
		{Name: "good", ApprovalTTL: hours(1).Duration},
		{Name: "bad", ApprovalTTL: hours(2).Duration, Scope: bad.Spec.Scope},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Candidate{}, "Policy", "NotReady")); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	if got[0].Policy == nil || got[0].NotReady != "" {
		t.Errorf("the good one is not ready: %s", got[0].NotReady)
	}
	if got[1].Policy != nil || !strings.HasPrefix(got[1].NotReady, "spec.module:3:") || strings.Contains(got[1].NotReady, "\n") {
		t.Errorf("the bad one is not ready for the reason %q", got[1].NotReady)
	}
}

// tenants is a policy in a namespace that speaks of the actions of others.
func tenants(namespace, name, body string, of ...string) v1alpha1.ApprovalPolicy {
	p := object(name, types.UID(namespace+name), 1, body)
	p.Namespace = namespace
	if of != nil {
		p.Spec.Scope = &v1alpha1.PolicyScope{Tenants: of}
	}
	return *p
}

func TestWhoSpeaksForATenant(t *testing.T) {
	const denies, allows, broken = `deny contains "no" if true`, `allow contains "yes" if true`, "deny {"
	byRisk := demand(v1alpha1.TierAnalyst, 1, hours(1), "by default an operation of medium risk waits for one analyst")
	asked := func(d v1alpha1.Decision, names ...string) v1alpha1.Decision { d.Policies = names; return d }
	denied := func(by string) v1alpha1.Decision {
		return v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny, Reasons: []string{by + ": no"}, Policies: []string{by}}
	}
	tests := map[string]struct {
		policy v1alpha1.ApprovalPolicy
		want   v1alpha1.Decision
	}{
		"the tenant itself":                    {tenants("soc", "p", denies), denied("p")},
		"the operator's, named":                {tenants("tocsin-system", "p", denies, "shop", "soc"), denied("tocsin-system/p")},
		"the operator's, all":                  {tenants("tocsin-system", "p", denies, "*"), denied("tocsin-system/p")},
		"the operator's, of others":            {tenants("tocsin-system", "p", denies, "shop", "so", "soc-2"), byRisk},
		"the operator's, without tenants":      {tenants("tocsin-system", "p", denies), byRisk},
		"what the operator's allow is no word": {tenants("tocsin-system", "p", allows, "*"), asked(byRisk, "tocsin-system/p")},
		"another tenant's":                     {tenants("shop", "p", allows, "soc"), byRisk},
		"the operator's, broken": {tenants("tocsin-system", "p", broken, "*"), asked(demand(v1alpha1.TierSenior, 1, hours(1), byRisk.Reasons[0],
			"policy tocsin-system/p cannot be asked, so a senior must approve: not ready: spec.module:3:6: unexpected eof token"), "tocsin-system/p")},
		"a tenant that would speak for others": {tenants("soc", "p", allows, "*"), asked(demand(v1alpha1.TierSenior, 1, hours(1), byRisk.Reasons[0],
			"policy p cannot be asked, so a senior must approve: not ready: spec.scope.tenants: must be empty in namespace soc; only policies in tocsin-system, where the operator runs, speak of other tenants' actions"), "p")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			candidates := NewStore("tocsin-system").Candidates(t.Context(), "soc", []v1alpha1.ApprovalPolicy{tt.policy})
			got := Decide(t.Context(), candidates, Input{Action: Action{Namespace: "soc", Risk: v1alpha1.RiskMedium}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

// A tenant's own policies cannot lower what the operator's demand.
func TestATenantCannotLowerWhatThePlatformDemands(t *testing.T) {
	two := tenants("tocsin-system", "p", `require contains {"tier": "senior", "approvals": 2, "reason": "two"} if true`, "*")
	own := tenants("soc", "p", `allow contains "mine" if true`)
	got := Decide(t.Context(), NewStore("tocsin-system").Candidates(t.Context(), "soc", []v1alpha1.ApprovalPolicy{own, two}), Input{Action: Action{Risk: v1alpha1.RiskLow}})
	want := demand(v1alpha1.TierSenior, 2, hours(1), "tocsin-system/p: two")
	want.Policies = []string{"p", "tocsin-system/p"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

// What people approved must not count for longer because of somebody else's policy.
func TestTheLifeOfApprovals(t *testing.T) {
	with := func(name string, foreign bool, ttl time.Duration) Candidate {
		c := said(t, name, `deny contains "never" if false`)
		c.Foreign, c.ApprovalTTL = foreign, ttl
		return c
	}
	tests := map[string]struct {
		candidates []Candidate
		want       time.Duration
	}{
		"nobody's":                   {nil, time.Hour},
		"the tenant's own":           {[]Candidate{with("a", false, 3*time.Hour), with("b", false, 2*time.Hour)}, 2 * time.Hour},
		"a foreign one is shorter":   {[]Candidate{with("a", true, time.Minute), with("b", false, 2*time.Hour)}, time.Minute},
		"a foreign one is longer":    {[]Candidate{with("a", true, 9*time.Hour), with("b", false, 2*time.Hour)}, 2 * time.Hour},
		"a foreign one alone":        {[]Candidate{with("a", true, 9*time.Hour)}, time.Hour},
		"a foreign one alone, short": {[]Candidate{with("a", true, time.Minute)}, time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Decide(t.Context(), tt.candidates, Input{Action: Action{Risk: v1alpha1.RiskHigh}})
			if got.ApprovalTTL.Duration != tt.want {
				t.Errorf("got %s, want %s", got.ApprovalTTL.Duration, tt.want)
			}
		})
	}
}
