package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// said compiles a policy with this body.
func said(t testing.TB, name, body string) Candidate {
	t.Helper()
	s := spec(body)
	p, err := Compile(t.Context(), name, s)
	if err != nil {
		t.Fatalf("policy %s: %v", name, err)
	}
	return NewCandidate(name, s, p, nil)
}

func demand(tier v1alpha1.Tier, approvals int32, ttl *metav1.Duration, reasons ...string) v1alpha1.Decision {
	return v1alpha1.Decision{
		Outcome: v1alpha1.DecisionRequire, Tier: tier, Approvals: approvals, ApprovalTTL: ttl, Reasons: reasons,
		RemindAfter: hours(1), EscalateAfter: hours(2), BreakGlass: v1alpha1.BreakGlassForbidden,
	}
}

func TestDecide(t *testing.T) {
	allow := said(t, "allow", `allow contains "fine" if true`)
	analyst := said(t, "analyst", `require contains {"tier": "analyst", "approvals": 3, "reason": "three"} if true`)
	senior := said(t, "senior", `require contains {"tier": "senior", "approvals": 1, "reason": "one"} if true`)
	deny := said(t, "deny", `deny contains "no" if true`)
	silent := said(t, "silent", `deny contains "never" if false`)
	broken := Candidate{Name: "broken", ApprovalTTL: time.Hour, NotReady: "spec.module:1:1: is not Rego"}
	brokenReason := "policy broken cannot be asked, so a senior must approve: not ready: spec.module:1:1: is not Rego"
	short := silent
	short.Name, short.ApprovalTTL = "short", 5*time.Minute

	tests := map[string]struct {
		candidates []Candidate
		risk       v1alpha1.Risk
		want       v1alpha1.Decision
	}{
		"nothing asked, Low": {nil, v1alpha1.RiskLow, v1alpha1.Decision{
			Outcome: v1alpha1.DecisionAllow, Reasons: []string{"by default an operation of low risk runs"},
		}},
		"nothing asked, Medium":   {nil, v1alpha1.RiskMedium, demand("analyst", 1, hours(1), "by default an operation of medium risk waits for one analyst")},
		"nothing asked, High":     {nil, v1alpha1.RiskHigh, demand("senior", 1, hours(1), "by default an operation of high risk waits for one senior")},
		"nothing asked, Critical": {nil, v1alpha1.RiskCritical, demand("senior", 2, hours(1), "by default an operation of critical risk waits for two seniors")},
		"unknown risk":            {nil, "Tiny", demand("senior", 2, hours(1), "by default an operation of critical risk waits for two seniors")},
		"nothing said":            {[]Candidate{silent}, v1alpha1.RiskMedium, demand("analyst", 1, hours(1), "by default an operation of medium risk waits for one analyst")},
		"allowed above the default": {[]Candidate{allow}, v1alpha1.RiskCritical, v1alpha1.Decision{
			Outcome: v1alpha1.DecisionAllow, Reasons: []string{"allow: fine"},
		}},
		"required below the default":               {[]Candidate{analyst}, v1alpha1.RiskCritical, demand("analyst", 3, hours(1), "analyst: three")},
		"another's allow does not override":        {[]Candidate{allow, analyst}, v1alpha1.RiskLow, demand("analyst", 3, hours(1), "analyst: three")},
		"the highest tier and count win":           {[]Candidate{senior, allow, analyst}, v1alpha1.RiskLow, demand("senior", 3, hours(1), "analyst: three", "senior: one")},
		"a denial wins":                            {[]Candidate{allow, senior, deny, broken}, v1alpha1.RiskLow, v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny, Reasons: []string{"deny: no"}}},
		"not ready beats allow":                    {[]Candidate{allow, broken}, v1alpha1.RiskLow, demand("senior", 1, hours(1), brokenReason)},
		"not ready keeps what others require":      {[]Candidate{analyst, broken}, v1alpha1.RiskLow, demand("senior", 3, hours(1), "analyst: three", brokenReason)},
		"not ready is no less than the default":    {[]Candidate{broken}, v1alpha1.RiskCritical, demand("senior", 2, hours(1), "by default an operation of critical risk waits for two seniors", brokenReason)},
		"the shortest TTL holds, also of a silent": {[]Candidate{senior, short}, v1alpha1.RiskLow, demand("senior", 1, &metav1.Duration{Duration: 5 * time.Minute}, "senior: one")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Decide(t.Context(), tt.candidates, Input{Action: Action{Risk: tt.risk}})
			got.Policies = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScope(t *testing.T) {
	deny := said(t, "deny", `deny contains "no" if true`)
	tests := map[string]struct {
		scope *v1alpha1.PolicyScope
		want  bool
	}{
		"none":              {nil, true},
		"empty":             {&v1alpha1.PolicyScope{}, true},
		"connector":         {&v1alpha1.PolicyScope{Connectors: []string{"edr", "cluster"}}, true},
		"other connector":   {&v1alpha1.PolicyScope{Connectors: []string{"edr"}}, false},
		"operation":         {&v1alpha1.PolicyScope{Operations: []string{"isolate-pod"}}, true},
		"other operation":   {&v1alpha1.PolicyScope{Operations: []string{"isolate"}}, false},
		"namespace":         {&v1alpha1.PolicyScope{TargetNamespaces: []string{"shop"}}, true},
		"other namespace":   {&v1alpha1.PolicyScope{TargetNamespaces: []string{"soc"}}, false},
		"all but operation": {&v1alpha1.PolicyScope{Connectors: []string{"cluster"}, Operations: []string{"label"}, TargetNamespaces: []string{"shop"}}, false},
	}
	in := Input{
		Action: Action{Namespace: "soc", Connector: "cluster", Operation: "isolate-pod", Risk: v1alpha1.RiskLow},
		Plan:   Plan{Target: PlanTarget{Kind: "Pod", Namespace: "shop", Name: "web-0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			deny.Scope = tt.scope
			broken := Candidate{Name: "broken", Scope: tt.scope, NotReady: "broken"}
			d := Decide(t.Context(), []Candidate{deny}, in)
			if asked := d.Outcome == v1alpha1.DecisionDeny; asked != tt.want || len(d.Policies) > 0 != tt.want {
				t.Errorf("asked %v (%v), want %v", asked, d.Policies, tt.want)
			}
			d = Decide(t.Context(), []Candidate{broken}, in)
			if failed := d.Outcome == v1alpha1.DecisionRequire; failed != tt.want {
				t.Errorf("one that is not ready counted: %v, want %v", failed, tt.want)
			}
		})
	}
	deny.Scope = &v1alpha1.PolicyScope{TargetNamespaces: []string{"", "shop"}}
	in.Plan.Target.Namespace = "kube-public"
	if d := Decide(t.Context(), []Candidate{deny}, in); d.Outcome == v1alpha1.DecisionDeny {
		t.Error("a policy spoke of a namespace outside its scope")
	}
}

func TestSkipEvidence(t *testing.T) {
	skip := said(t, "skip", `skip_evidence contains "it is a copy" if input.action.risk == "Low"`)
	allow := said(t, "allow", `allow contains "fine" if true`)
	deny := said(t, "deny", `deny contains "no" if true`)
	senior := said(t, "senior", `require contains {"tier": "senior", "approvals": 1, "reason": "one"} if true`)
	odd := said(t, "odd", `skip_evidence contains 1 if true`)
	foreign := skip
	foreign.Name, foreign.Foreign = "tocsin-system/skip", true
	broken := Candidate{Name: "broken", NotReady: "spec.module:1:1: is not Rego"}
	tests := map[string]struct {
		candidates []Candidate
		risk       v1alpha1.Risk
		outcome    v1alpha1.DecisionOutcome
		want       []string
	}{
		"nobody says so":              {[]Candidate{allow}, v1alpha1.RiskLow, v1alpha1.DecisionAllow, nil},
		"it leaves the rest as it is": {[]Candidate{skip}, v1alpha1.RiskLow, v1alpha1.DecisionAllow, []string{"skip: it is a copy"}},
		"beside an allowance":         {[]Candidate{skip, allow}, v1alpha1.RiskLow, v1alpha1.DecisionAllow, []string{"skip: it is a copy"}},
		"beside a requirement":        {[]Candidate{skip, senior}, v1alpha1.RiskLow, v1alpha1.DecisionRequire, []string{"skip: it is a copy"}},
		"not of this one":             {[]Candidate{skip}, v1alpha1.RiskHigh, v1alpha1.DecisionRequire, nil},
		"denied":                      {[]Candidate{skip, deny}, v1alpha1.RiskLow, v1alpha1.DecisionDeny, nil},
		"of the platform":             {[]Candidate{foreign}, v1alpha1.RiskLow, v1alpha1.DecisionAllow, nil},
		"beside one that is broken":   {[]Candidate{skip, broken}, v1alpha1.RiskLow, v1alpha1.DecisionRequire, nil},
		"of the wrong shape":          {[]Candidate{odd}, v1alpha1.RiskLow, v1alpha1.DecisionRequire, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := Decide(t.Context(), tt.candidates, Input{Action: Action{Risk: tt.risk}})
			if diff := cmp.Diff(tt.want, d.SkipEvidence); diff != "" || d.Outcome != tt.outcome {
				t.Errorf("%s, want %s; skipEvidence (-want +got):\n%s", d.Outcome, tt.outcome, diff)
			}
			for _, reason := range d.Reasons {
				if strings.HasPrefix(reason, "skip: ") {
					t.Errorf("skipping is given as a reason to run it, which lifts guard rails: %q", reason)
				}
			}
		})
	}
}

// What is done to all of a namespace is done in it, too.
func TestScopeOfANamespaceItself(t *testing.T) {
	deny := said(t, "deny", `deny contains "no" if true`)
	deny.Scope = &v1alpha1.PolicyScope{TargetNamespaces: []string{"shop"}}
	tests := map[string]struct {
		target PlanTarget
		want   v1alpha1.DecisionOutcome
	}{
		"that namespace":          {PlanTarget{APIVersion: "v1", Kind: "Namespace", Name: "shop"}, v1alpha1.DecisionDeny},
		"another namespace":       {PlanTarget{APIVersion: "v1", Kind: "Namespace", Name: "soc"}, v1alpha1.DecisionRequire},
		"a node of the same name": {PlanTarget{APIVersion: "v1", Kind: "Node", Name: "shop"}, v1alpha1.DecisionRequire},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := Input{Action: Action{Operation: "isolate-namespace", Risk: v1alpha1.RiskCritical}, Plan: Plan{Target: tt.target}}
			if d := Decide(t.Context(), []Candidate{deny}, in); d.Outcome != tt.want {
				t.Errorf("got %s by %v, want %s", d.Outcome, d.Policies, tt.want)
			}
		})
	}
}

// Whatever a policy says that is not of the right shape, a senior decides.
func TestNonsenseFailsClosed(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"unknown tier":        {`require contains {"tier": "intern", "approvals": 1, "reason": "x"} if true`, `tier must be "analyst" or "senior"`},
		"no tier":             {`require contains {"approvals": 1, "reason": "x"} if true`, "tier must be"},
		"no approvals":        {`require contains {"tier": "analyst", "reason": "x"} if true`, "approvals must be"},
		"zero approvals":      {`require contains {"tier": "analyst", "approvals": 0, "reason": "x"} if true`, "whole number from 1 to 10"},
		"negative":            {`require contains {"tier": "analyst", "approvals": -1, "reason": "x"} if true`, "whole number"},
		"too many":            {`require contains {"tier": "analyst", "approvals": 11, "reason": "x"} if true`, "whole number"},
		"a fraction":          {`require contains {"tier": "analyst", "approvals": 1.5, "reason": "x"} if true`, "whole number"},
		"a huge number":       {`require contains {"tier": "analyst", "approvals": 18446744073709551617, "reason": "x"} if true`, "whole number"},
		"approvals as text":   {`require contains {"tier": "analyst", "approvals": "1", "reason": "x"} if true`, "whole number"},
		"no reason":           {`require contains {"tier": "analyst", "approvals": 1} if true`, "reason must say why"},
		"blank reason":        {`require contains {"tier": "analyst", "approvals": 1, "reason": " "} if true`, "reason must say why"},
		"unknown field":       {`require contains {"tier": "analyst", "approvals": 1, "reason": "x", "until": "noon"} if true`, `unknown field "until"`},
		"a requirement: text": {`require contains "analyst" if true`, "not an object"},
		"allow of a number":   {`allow contains 1 if true`, "allow must contain texts"},
		"allow of null":       {`allow contains null if true`, "allow must contain texts"},
		"skip of a flag":      {`skip_evidence contains true if true`, "skip_evidence must contain texts"},
		"blank allow":         {`allow contains "" if true`, "allow must contain texts"},
		"deny of an object":   {`deny contains {"msg": "no"} if true`, "deny must contain texts"},
		"builtin error":       {`allow contains "x" if to_number(input.action.name) == 1`, "to_number"},
		"conflict":            {"a := 1 if input.action.risk\n\na := 2 if input.action.risk == \"Low\"\n\nallow contains \"x\" if a == 1", "conflicting values"},
		"good beside bad":     {"allow contains \"fine\" if true\n\nallow contains 1 if true", "allow must contain texts"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := Decide(t.Context(), []Candidate{said(t, "odd", tt.body)}, Input{Action: Action{Name: "x", Risk: v1alpha1.RiskLow}})
			if d.Outcome != v1alpha1.DecisionRequire || d.Tier != v1alpha1.TierSenior || d.Approvals != 1 {
				t.Errorf("decision is %+v, want one senior", d)
			}
			if all := strings.Join(d.Reasons, "\n"); !strings.Contains(all, tt.want) || !strings.Contains(all, "policy odd cannot be asked") {
				t.Errorf("reasons are %q, want them to name %q", d.Reasons, tt.want)
			}
		})
	}
}

func TestADenialWinsOverItsOwnNonsense(t *testing.T) {
	odd := said(t, "odd", "deny contains \"no\" if true\n\ndeny contains 1 if true\n\nallow contains 2 if true")
	d := Decide(t.Context(), []Candidate{odd}, Input{Action: Action{Risk: v1alpha1.RiskLow}})
	if diff := cmp.Diff([]string{"odd: no"}, d.Reasons); d.Outcome != v1alpha1.DecisionDeny || diff != "" {
		t.Errorf("decision is %+v", d)
	}
}

func TestAnEndlessPolicyFailsClosed(t *testing.T) {
	endless := said(t, "endless", `allow contains "x" if {
	input.action.name == "go"
	count([1 | some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a < b]) > 0
}`)
	deny := said(t, "deny", `deny contains "no" if input.action.namespace == "soc"`)
	d := Decide(t.Context(), []Candidate{endless, deny}, Input{Action: Action{Name: "go", Risk: v1alpha1.RiskLow}})
	if d.Outcome != v1alpha1.DecisionRequire || d.Tier != v1alpha1.TierSenior || !strings.Contains(strings.Join(d.Reasons, "\n"), "no answer within 100ms") {
		t.Errorf("decision is %+v, want one senior", d)
	}
	d = Decide(t.Context(), []Candidate{endless, deny}, Input{Action: Action{Name: "go", Namespace: "soc", Risk: v1alpha1.RiskLow}})
	if d.Outcome != v1alpha1.DecisionDeny {
		t.Errorf("the other policy's denial was lost: %+v", d)
	}
}

func TestACancelledDecisionFailsClosed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	allow := said(t, "allow", `allow contains "fine" if true`)
	cancel()
	if d := Decide(ctx, []Candidate{allow}, Input{Action: Action{Risk: v1alpha1.RiskLow}}); d.Outcome != v1alpha1.DecisionRequire {
		t.Errorf("decision is %+v, want one senior", d)
	}
}

// What the input holds is data, whatever it looks like.
func TestInputIsData(t *testing.T) {
	hostile := "x\"} if true\nallow contains \"pwned\" if { true }\n# \u2028 \x00 ` ${data.secret} {{ }}"
	candidate := said(t, "echo", `require contains {"tier": "analyst", "approvals": 1, "reason": sprintf("%s|%s|%s", [input.action.name, input.action.arguments[input.action.reason], input.target.namespaceLabels[input.action.reason]])} if true`)
	d := Decide(t.Context(), []Candidate{candidate}, Input{
		Action: Action{Name: hostile, Reason: hostile, Arguments: map[string]any{hostile: hostile}, Risk: v1alpha1.RiskLow},
		Target: Target{NamespaceLabels: map[string]string{hostile: hostile}},
	})
	want := demand("analyst", 1, hours(1), "echo: "+hostile+"|"+hostile+"|"+hostile)
	want.Policies = []string{"echo"}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

func TestUnreadableInputFailsClosed(t *testing.T) {
	allow := said(t, "allow", `allow contains "fine" if true`)
	in := Input{Action: Action{Risk: v1alpha1.RiskLow, Arguments: map[string]any{"f": func() {}}}}
	if d := Decide(t.Context(), []Candidate{allow}, in); d.Outcome != v1alpha1.DecisionRequire || d.Tier != v1alpha1.TierSenior {
		t.Errorf("decision is %+v, want one senior", d)
	}
}

func TestAnEmptyInputHasEveryField(t *testing.T) {
	every := said(t, "every", `allow contains "all there" if {
	input.apiVersion == "soc.tocsin.dev/v1alpha1"
	input.action.arguments == {}
	input.plan.warnings == []
	input.plan.target.namespace == ""
	input.investigation.techniques == []
	input.investigation.entities == []
	input.investigation.probabilityPermille == 0
	input.target.namespaceLabels == {}
	input.target.criticality == ""
	input.time.weekday == "Sunday"
	input.time.hour == 22
	input.time.rfc3339 == "2026-03-01T22:30:00Z"
}`)
	at := time.Date(2026, 3, 2, 0, 30, 0, 0, time.FixedZone("east", 2*60*60))
	d := Decide(t.Context(), []Candidate{every}, Input{Action: Action{Risk: v1alpha1.RiskHigh}, Time: NewTime(at)})
	if d.Outcome != v1alpha1.DecisionAllow {
		t.Errorf("decision is %+v", d)
	}
}

func TestDecisionsFitTheSchema(t *testing.T) {
	many := said(t, "many", `require contains {"tier": "analyst", "approvals": 1, "reason": sprintf("%d %s", [n, input.action.reason])} if some n in numbers.range(1, 40)`)
	candidates := make([]Candidate, 0, 70)
	for i := range 70 {
		c := many
		c.Name = fmt.Sprintf("p%d", i)
		candidates = append(candidates, c)
	}
	d := Decide(t.Context(), candidates, Input{Action: Action{Risk: v1alpha1.RiskLow, Reason: strings.Repeat("é", 1100)}})
	if len(d.Reasons) != 32 || len(d.Policies) != 64 {
		t.Errorf("%d reasons and %d policies, want 32 and 64", len(d.Reasons), len(d.Policies))
	}
	for _, reason := range d.Reasons {
		if utf8.RuneCountInString(reason) > 1024 || !utf8.ValidString(reason) {
			t.Errorf("a reason has %d characters, valid %v", utf8.RuneCountInString(reason), utf8.ValidString(reason))
		}
	}
	if last := d.Reasons[31]; !strings.HasPrefix(last, "and ") || !strings.HasSuffix(last, " more reasons") {
		t.Errorf("the last reason is %q", last)
	}
}

func BenchmarkDecide(b *testing.B) {
	s := loadShipped(b)["containment"].Spec
	p, err := Compile(b.Context(), "containment", s)
	if err != nil {
		b.Fatal(err)
	}
	candidates := []Candidate{NewCandidate("containment", s, p, nil)}
	in := Input{
		Action: Action{
			Name: "isolate-x2k", Namespace: "soc", Connector: "cluster", Operation: "isolate-pod", Risk: v1alpha1.RiskMedium,
			Arguments: map[string]any{"pod": "shop/web-0"}, RequestedBy: "playbook:shell-in-container",
		},
		Plan:          Plan{Summary: "isolate pod shop/web-0", Target: PlanTarget{Kind: "Pod", Namespace: "shop", Name: "web-0"}},
		Investigation: Investigation{Techniques: []v1alpha1.Technique{"T1059", "T1611"}, Entities: make([]v1alpha1.Entity, 16)},
		Time:          NewTime(time.Unix(0, 0)),
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(b.Context(), candidates, in); d.Tier != v1alpha1.TierAnalyst {
			b.Fatalf("%+v", d)
		}
	}
}
