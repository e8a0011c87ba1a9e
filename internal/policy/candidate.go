package policy

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Candidate is a policy that may speak of an action.
type Candidate struct {
	Name string
	// Scope bounds the actions that the policy speaks of; nil for all.
	Scope *v1alpha1.PolicyScope
	// ApprovalTTL is how long approvals count.
	ApprovalTTL time.Duration
	// RemindAfter and EscalateAfter are how long people are waited for; 0 where the policy does not say.
	RemindAfter, EscalateAfter time.Duration
	// BreakGlass is whether one person may run the action alone in an emergency.
	BreakGlass v1alpha1.BreakGlass
	// Policy to ask; nil if there is none, for the reason that NotReady gives.
	Policy   *Policy
	NotReady string
	// Foreign: it is of another namespace than the action, and what it allows is not heard.
	Foreign bool
}

// allTenants in a scope stands for every namespace.
const allTenants = "*"

// SpeaksFor says whether a policy of the operator's namespace speaks of the actions of another.
func SpeaksFor(p *v1alpha1.ApprovalPolicy, tenant string) bool {
	return p.Spec.Scope != nil && (slices.Contains(p.Spec.Scope.Tenants, allTenants) || slices.Contains(p.Spec.Scope.Tenants, tenant))
}

// NewCandidate is the policy of a spec, or the reason why it did not compile.
func NewCandidate(name string, spec v1alpha1.ApprovalPolicySpec, compiled *Policy, err error) Candidate {
	c := Candidate{Name: name, Scope: spec.Scope, ApprovalTTL: defaultTTL, BreakGlass: spec.BreakGlass, Policy: compiled}
	if spec.ApprovalTTL != nil {
		c.ApprovalTTL = spec.ApprovalTTL.Duration
	}
	c.RemindAfter = ptr.Deref(spec.RemindAfter, metav1.Duration{}).Duration
	c.EscalateAfter = ptr.Deref(spec.EscalateAfter, metav1.Duration{}).Duration
	if err != nil {
		c.Policy, c.NotReady = nil, err.Error()
	}
	return c
}

// covers says whether the action is in the policy's scope.
func (c Candidate) covers(in Input) bool {
	if c.Scope == nil {
		return true
	}
	return within(c.Scope.Connectors, in.Action.Connector) &&
		within(c.Scope.Operations, in.Action.Operation) &&
		within(c.Scope.TargetNamespaces, in.Plan.Target.within())
}

// within says whether a list that bounds nothing while empty has the name.
func within(list []string, name string) bool {
	return len(list) == 0 || slices.Contains(list, name)
}
