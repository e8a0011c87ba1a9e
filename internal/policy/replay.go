package policy

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Past is an action that was decided on.
type Past struct {
	Namespace string    `json:"namespace"`
	Action    string    `json:"action"`
	Time      time.Time `json:"time"`
	// Decided is what was decided then.
	Decided *v1alpha1.Decision `json:"decided,omitempty"`
	// Input that it was decided on.
	Input Input `json:"input"`
}

// Difference is a past action that other policies would decide otherwise.
type Difference struct {
	Past
	// InForce is what the policies in force make of it, Candidate what they make of it with the candidates.
	InForce   v1alpha1.Decision `json:"inForce"`
	Candidate v1alpha1.Decision `json:"candidate"`
}

// Stricter is above zero if the candidate lets less happen, below if it lets more happen.
func (d Difference) Stricter() int { return compareDecisions(d.Candidate, d.InForce) }

// Replay decides past actions with the policies in force, and again with candidates in place of
// those of the same name or beside them, and returns what differs in outcome, tier, number or whether evidence is captured.
// The operator's namespace is the one whose policies may speak of other tenants' actions.
func Replay(ctx context.Context, operator string, inForce, candidates []v1alpha1.ApprovalPolicy, past []Past) []Difference {
	proposed := slices.Concat(slices.DeleteFunc(slices.Clone(inForce), func(p v1alpha1.ApprovalPolicy) bool {
		return slices.ContainsFunc(candidates, func(c v1alpha1.ApprovalPolicy) bool { return c.Namespace == p.Namespace && c.Name == p.Name })
	}), candidates)
	before, after := NewStore(operator), NewStore(operator)
	var found []Difference
	for _, p := range past {
		d := Difference{
			Past:      p,
			InForce:   Decide(ctx, before.Candidates(ctx, p.Namespace, inForce), p.Input),
			Candidate: Decide(ctx, after.Candidates(ctx, p.Namespace, proposed), p.Input),
		}
		if d.Stricter() != 0 {
			found = append(found, d)
		}
	}
	return found
}

// compareDecisions orders decisions by how much they ask before something happens.
func compareDecisions(a, b v1alpha1.Decision) int {
	outcomes := []v1alpha1.DecisionOutcome{v1alpha1.DecisionAllow, v1alpha1.DecisionRequire, v1alpha1.DecisionDeny}
	return cmp.Or(
		cmp.Compare(slices.Index(outcomes, a.Outcome), slices.Index(outcomes, b.Outcome)),
		cmp.Compare(a.Tier.Rank(), b.Tier.Rank()),
		cmp.Compare(a.Approvals, b.Approvals),
		cmp.Compare(min(len(b.SkipEvidence), 1), min(len(a.SkipEvidence), 1)),
	)
}
