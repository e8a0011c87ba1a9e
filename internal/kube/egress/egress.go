// Package egress tells from network policies whether a pod can reach what is outside
// of its cluster: Kubernetes' own, Cilium's and Calico's.
package egress

import (
	"cmp"
	"math"
	"slices"
)

// Outside says how much of what is outside of the cluster can be reached.
type Outside string

// How much can be reached.
const (
	// Open: everything, on any TCP port.
	Open Outside = "Open"
	// Limited: some addresses, names or ports.
	Limited Outside = "Limited"
	// Closed: nothing.
	Closed Outside = "Closed"
	// Unknown: it cannot be told.
	Unknown Outside = "Unknown"
)

// Pod is what policies select by.
type Pod struct {
	Namespace, ServiceAccount string
	Labels, NamespaceLabels   map[string]string
}

// Policy is what a policy that selects the pod means for its egress.
type Policy struct {
	// Restricts: what no policy allows is denied.
	Restricts bool
	// first are rules that come before those of all policies.
	first []rule
	// rules in the order in which the first one that fits decides.
	rules []rule
	// order among policies, the lowest first; Calico lets users choose it.
	order float64
}

// orders of policies that have none of their own; Kubernetes' policies stand where Calico
// puts them.
const (
	orderKubernetes = 1000
	orderLast       = math.MaxFloat64
)

type action int

const (
	allow action = iota
	deny
	pass
)

// rule is one rule, as far as it is about what is outside.
type rule struct {
	action action
	covers Outside
}

// Evaluate says what policies that select the pod leave of what is outside.
func Evaluate(policies []Policy) Outside {
	policies = slices.Clone(policies)
	slices.SortStableFunc(policies, func(a, b Policy) int { return cmp.Compare(a.order, b.order) })
	restricted := false
	var first, rules []rule
	for _, p := range policies {
		restricted = restricted || p.Restricts
		first, rules = append(first, p.first...), append(rules, p.rules...)
	}
	if rules = append(first, rules...); !restricted {
		rules = append(rules, rule{allow, Open})
	}
	return left(rules)
}

// left is what rules leave; what none allows is denied.
func left(rules []rule) Outside {
	found, denied := Closed, false
	for _, r := range rules {
		switch {
		case r.covers == Closed:
		case r.action == pass, r.covers == Unknown:
			return Unknown
		case r.action == deny && r.covers == Open:
			return found
		case r.action == deny:
			denied = true
		case r.covers == Open && !denied:
			return Open
		default:
			found = Limited
		}
	}
	return found
}

// more is the larger of two.
func more(a, b Outside) Outside {
	rank := []Outside{Closed, Limited, Open}
	if slices.Index(rank, b) > slices.Index(rank, a) {
		return b
	}
	return a
}

// onPorts is what is left of it where only some ports are meant.
func onPorts(o Outside) Outside {
	if o == Open {
		return Limited
	}
	return o
}
