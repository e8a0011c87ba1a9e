package policy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// Bounds of v1alpha1.Decision.
const (
	maxReasons  = 32
	maxReason   = 1024
	maxPolicies = 64
)

// defaultTTL of approvals where no policy says otherwise.
const defaultTTL = time.Hour

// How long people are waited for where no policy says, and the least that one may say.
const (
	defaultRemindAfter   = time.Hour
	defaultEscalateAfter = 2 * time.Hour
	shortestPatience     = time.Minute
)

// tally collects what all policies say.
type tally struct {
	deny, require, allow []string
	skip                 []string
	tier                 v1alpha1.Tier
	approvals            int32
	broken               bool
}

// Decide asks every candidate whose scope covers the action. Denial beats
// requirement, requirement beats allowance; the highest tier and the highest
// count win. Nothing said means the default of the risk. A candidate that cannot
// be asked, or answers nonsense, stands for a human at the highest tier, and for
// no less than the default, and for evidence that is captured. What a foreign one allows is not heard. A reason that a policy gives begins with its name and
// a colon; no other reason does.
func Decide(ctx context.Context, candidates []Candidate, in Input) v1alpha1.Decision {
	in = in.complete()
	asked := slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool { return !c.covers(in) })
	slices.SortFunc(asked, func(a, b Candidate) int { return strings.Compare(a.Name, b.Name) })

	t := &tally{}
	input, err := document(in)
	for _, c := range asked {
		if err != nil {
			t.fail(c.Name, fmt.Errorf("the input cannot be read: %w", err))
			continue
		}
		t.ask(ctx, c, input)
	}
	if t.broken || !t.said() {
		t.byRisk(in.Action.Risk)
	}
	return t.decision(asked)
}

// document converts the input once for all policies.
func document(in Input) (ast.Value, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return ast.ValueFromReader(bytes.NewReader(raw))
}

func (t *tally) ask(ctx context.Context, c Candidate, input ast.Value) {
	if c.Policy == nil {
		t.fail(c.Name, fmt.Errorf("not ready: %s", c.NotReady))
		return
	}
	said, err := c.Policy.ask(ctx, input)
	for _, reason := range said.deny {
		t.deny = append(t.deny, c.Name+": "+reason)
	}
	for _, r := range said.require {
		t.demand(r.tier, r.approvals, c.Name+": "+r.reason)
	}
	if !c.Foreign { // a tenant's own policies and the risk say what runs, and what may be lost
		t.allow = append(t.allow, prefixed(c.Name, said.allow)...)
		t.skip = append(t.skip, prefixed(c.Name, said.skip)...)
	}
	if err != nil {
		t.fail(c.Name, err)
	}
}

func prefixed(name string, reasons []string) []string {
	var found []string
	for _, reason := range reasons {
		found = append(found, name+": "+reason)
	}
	return found
}

func (t *tally) fail(name string, err error) {
	t.broken = true
	t.demand(v1alpha1.TierSenior, 1, fmt.Sprintf("policy %s cannot be asked, so a senior must approve: %v", name, err))
}

func (t *tally) demand(tier v1alpha1.Tier, approvals int32, reason string) {
	if tier.Rank() > t.tier.Rank() {
		t.tier = tier
	}
	t.approvals = max(t.approvals, approvals)
	t.require = append(t.require, reason)
}

func (t *tally) said() bool { return len(t.deny)+len(t.require)+len(t.allow) > 0 }

// byRisk is what holds where no policy speaks. A risk that is not known counts as Critical.
func (t *tally) byRisk(risk v1alpha1.Risk) {
	switch risk {
	case v1alpha1.RiskLow:
		t.allow = append(t.allow, "by default an operation of low risk runs")
	case v1alpha1.RiskMedium:
		t.demand(v1alpha1.TierAnalyst, 1, "by default an operation of medium risk waits for one analyst")
	case v1alpha1.RiskHigh:
		t.demand(v1alpha1.TierSenior, 1, "by default an operation of high risk waits for one senior")
	default:
		t.demand(v1alpha1.TierSenior, 2, "by default an operation of critical risk waits for two seniors")
	}
}

func (t *tally) decision(asked []Candidate) v1alpha1.Decision {
	d := v1alpha1.Decision{Policies: names(asked)}
	switch {
	case len(t.deny) > 0:
		d.Outcome, d.Reasons = v1alpha1.DecisionDeny, bounded(t.deny)
	case len(t.require) > 0:
		d.Outcome, d.Reasons = v1alpha1.DecisionRequire, bounded(t.require)
		d.Tier, d.Approvals = t.tier, t.approvals
		d.ApprovalTTL = &metav1.Duration{Duration: shortest(asked)}
		d.RemindAfter = patience(asked, defaultRemindAfter, func(c Candidate) time.Duration { return c.RemindAfter })
		d.EscalateAfter = patience(asked, defaultEscalateAfter, func(c Candidate) time.Duration { return c.EscalateAfter })
		d.BreakGlass = t.breakGlass(asked)
	default:
		d.Outcome, d.Reasons = v1alpha1.DecisionAllow, bounded(t.allow)
	}
	if d.Outcome != v1alpha1.DecisionDeny && !t.broken {
		d.SkipEvidence = bounded(t.skip)
	}
	return d
}

func names(asked []Candidate) []string {
	var found []string
	for _, c := range asked[:min(len(asked), maxPolicies)] {
		found = append(found, c.Name)
	}
	return found
}

// shortest of the tenant's own, or else the default; a foreign one may only shorten that.
func shortest(asked []Candidate) time.Duration {
	var own, foreign time.Duration
	for _, c := range asked {
		of := &own
		if c.Foreign {
			of = &foreign
		}
		if *of == 0 || c.ApprovalTTL < *of {
			*of = c.ApprovalTTL
		}
	}
	own = cmp.Or(own, defaultTTL)
	return min(own, cmp.Or(foreign, own))
}

// patience is the shortest that any policy asked for, or else the standard.
func patience(asked []Candidate, standard time.Duration, of func(Candidate) time.Duration) *metav1.Duration {
	var shortest time.Duration
	for _, c := range asked {
		if p := of(c); p >= shortestPatience && (shortest == 0 || p < shortest) {
			shortest = p
		}
	}
	return &metav1.Duration{Duration: cmp.Or(shortest, standard)}
}

// breakGlass is allowed where every policy asked allows it, and one of the tenant's own is among
// them: a foreign one takes nothing away from what is demanded by default. One that cannot
// be asked might have demanded more than it was written to let pass over.
func (t *tally) breakGlass(asked []Candidate) v1alpha1.BreakGlass {
	forbids := func(c Candidate) bool { return c.BreakGlass != v1alpha1.BreakGlassAllowed }
	own := func(c Candidate) bool { return !c.Foreign }
	if t.broken || !slices.ContainsFunc(asked, own) || slices.ContainsFunc(asked, forbids) {
		return v1alpha1.BreakGlassForbidden
	}
	return v1alpha1.BreakGlassAllowed
}

// bounded keeps reasons within what the API server accepts, and says how many it left out.
func bounded(reasons []string) []string {
	reasons = slices.Compact(slices.Sorted(slices.Values(reasons)))
	if left := len(reasons) - maxReasons; left > 0 {
		reasons = append(reasons[:maxReasons-1:maxReasons-1], fmt.Sprintf("and %d more reasons", left+1))
	}
	for i, reason := range reasons {
		reasons[i] = shorten.Characters(reason, maxReason)
	}
	return reasons
}
