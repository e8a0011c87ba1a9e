package kubernetes

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// allowing are the policies that select a pod with these labels and allow it
// something. NetworkPolicies are additive: what one of them allows, no other takes away.
func allowing(policies []networkingv1.NetworkPolicy, pod labels.Set) []*networkingv1.NetworkPolicy {
	var found []*networkingv1.NetworkPolicy
	for i := range policies {
		p := &policies[i]
		if len(p.Spec.Ingress)+len(p.Spec.Egress) > 0 && selectorOf(p).Matches(pod) {
			found = append(found, p)
		}
	}
	return found
}

// selectorOf selects nothing where the API server would not have accepted it.
func selectorOf(p *networkingv1.NetworkPolicy) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	if err != nil {
		return labels.Nothing()
	}
	return selector
}

// without leaves out the policy of that name.
func without(policies []networkingv1.NetworkPolicy, name string) []networkingv1.NetworkPolicy {
	return slices.DeleteFunc(slices.Clone(policies), func(p networkingv1.NetworkPolicy) bool { return p.Name == name })
}

// asWritten are the policies without what isolations put into their selectors, whose own policies are
// among them: each may be taken back before another, which then has to hold without it.
func asWritten(policies []networkingv1.NetworkPolicy) []networkingv1.NetworkPolicy {
	put := append(slices.Clone(nothing), putBy(policies)...)
	written := slices.Clone(policies)
	for i := range written {
		written[i] = *exclude(&written[i], put...).changed(&written[i], false)
	}
	return written
}

// putBy are the requirements that the isolations among policies put into the others.
func putBy(policies []networkingv1.NetworkPolicy) []metav1.LabelSelectorRequirement {
	var put []metav1.LabelSelectorRequirement
	for _, p := range policies {
		if !strings.HasPrefix(p.Name, policyPrefix) {
			continue
		}
		for _, r := range distinguishing(p.Spec.PodSelector) {
			put = append(put, leavingOut(r))
		}
	}
	return put
}

// escape puts quarantine labels in place of those that policies select a pod by.
// It returns the labels to change, and the policies that select the pod all the
// same, because their selectors ask for nothing that could be taken away.
func escape(pod labels.Set, policies []networkingv1.NetworkPolicy, quarantine string) (changes []markChange, left []*networkingv1.NetworkPolicy) {
	now := labels.Set{}
	for key, value := range pod {
		now[key] = value
	}
	now[v1alpha1.LabelQuarantine] = quarantine
	for {
		left = allowing(policies, now)
		change := evasion(left, now, changes, quarantine)
		if change == nil {
			break
		}
		changes = append(changes, *change)
		delete(now, change.Key)
		if change.To != nil {
			now[change.Key] = *change.To
		}
	}
	slices.SortFunc(changes, func(a, b markChange) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return changes, left
}

// evasion is one change of a label that was not changed yet, after which one of the policies no longer selects.
func evasion(policies []*networkingv1.NetworkPolicy, now labels.Set, changed []markChange, quarantine string) *markChange {
	for _, p := range policies {
		requirements, _ := selectorOf(p).Requirements()
		for _, r := range requirements {
			if r.Key() == v1alpha1.LabelQuarantine || slices.ContainsFunc(changed, func(c markChange) bool { return c.Key == r.Key() }) {
				continue
			}
			change := markChange{Key: r.Key()}
			if value, found := now[r.Key()]; found {
				change.From = &value
			}
			switch r.Operator() {
			case selection.In, selection.Equals, selection.DoubleEquals, selection.DoesNotExist:
				change.To = &quarantine
				return &change
			case selection.Exists:
				return &change
			}
		}
	}
	return nil
}

// exclusion keeps another policy off what is isolated: its podSelector gets
// requirements that nothing isolated meets. Everything else it selects as before.
type exclusion struct {
	Policy       string                            `json:"policy"`
	UID          string                            `json:"uid"`
	Requirements []metav1.LabelSelectorRequirement `json:"requirements"`
}

const exclusionSchema = `{"type": "array", "items": {"type": "object", "required": ["policy", "uid", "requirements"]}}`

func exclude(p *networkingv1.NetworkPolicy, requirements ...metav1.LabelSelectorRequirement) exclusion {
	return exclusion{Policy: p.Name, UID: string(p.UID), Requirements: requirements}
}

// but leaves out requirements that others need.
func (e exclusion) but(needed []metav1.LabelSelectorRequirement) exclusion {
	e.Requirements = slices.DeleteFunc(slices.Clone(e.Requirements), func(r metav1.LabelSelectorRequirement) bool {
		return slices.ContainsFunc(needed, likeThis(r))
	})
	return e
}

// there says whether the policy has all of the requirements, or none.
func (e exclusion) there(p *networkingv1.NetworkPolicy) (all, none bool) {
	found := 0
	for _, r := range e.Requirements {
		if slices.ContainsFunc(p.Spec.PodSelector.MatchExpressions, likeThis(r)) {
			found++
		}
	}
	return found == len(e.Requirements), found == 0
}

// changed is the policy with the requirements, or without them.
func (e exclusion) changed(p *networkingv1.NetworkPolicy, with bool) *networkingv1.NetworkPolicy {
	after := p.DeepCopy()
	for _, r := range e.Requirements {
		after.Spec.PodSelector.MatchExpressions = slices.DeleteFunc(after.Spec.PodSelector.MatchExpressions, likeThis(r))
		if with {
			after.Spec.PodSelector.MatchExpressions = append(after.Spec.PodSelector.MatchExpressions, r)
		}
	}
	return after
}

func likeThis(r metav1.LabelSelectorRequirement) func(metav1.LabelSelectorRequirement) bool {
	return func(other metav1.LabelSelectorRequirement) bool {
		return other.Key == r.Key && other.Operator == r.Operator && slices.Equal(other.Values, r.Values)
	}
}
