package kubernetes

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

const isolatedKinds = `{"enum": ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]}`

// isolateWorkload cuts off the pods of a workload by the labels that it knows
// them by, so that those that it starts later are cut off too.
var isolateWorkload = &quarantining{
	operation: operation.Operation{
		Name: "isolate-workload", Summary: "Cut all pods of a workload off the network, both ways",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: properties("kind", isolatedKinds, "namespace", namespaceSchema, "name", nameSchema), Result: noResult,
	},
	parse: func(arguments map[string]any) (v1alpha1.TargetReference, error) {
		a, err := decode[object](arguments)
		return a.target(), err
	},
	within: podsOfWorkload, allowing: allowingWorkload, exclude: excludeWorkload, undo: "release-workload",
}

var releaseWorkload = releasing{name: "release-workload", summary: "Let the pods of an isolated workload onto the network again", risk: v1alpha1.RiskHigh}

func podsOfWorkload(workload *unstructured.Unstructured) (string, metav1.LabelSelector, error) {
	selector, err := workloadSelector(workload)
	onNode, _, _ := unstructured.NestedBool(workload.Object, "spec", "template", "spec", "hostNetwork")
	switch {
	case err != nil:
	case onNode:
		err = fmt.Errorf("%w: pods of %s %s use the network of their node, where no NetworkPolicy holds them: scale to zero, or delete them", connectors.ErrConflict, workload.GetKind(), workload.GetName())
	case len(selector.MatchLabels)+len(selector.MatchExpressions) == 0:
		err = fmt.Errorf("%w: %s %s selects every pod of its namespace", connectors.ErrConflict, workload.GetKind(), workload.GetName())
	}
	return workload.GetNamespace(), selector, err
}

// allowingWorkload are the policies that select a pod of the workload, or one that it would start.
func allowingWorkload(s enclosure) []*networkingv1.NetworkPolicy {
	template, _, _ := unstructured.NestedStringMap(s.target.Object, "spec", "template", "metadata", "labels")
	found := allowing(s.policies, template)
	for _, p := range s.inside {
		for _, policy := range allowing(s.policies, p.Labels) {
			if !slices.Contains(found, policy) {
				found = append(found, policy)
			}
		}
	}
	return found
}

// excludeWorkload leaves the workload out by one of its labels: one that no other
// pod carries which the policy selects, since it would lose what it is allowed.
func excludeWorkload(s enclosure, p *networkingv1.NetworkPolicy) (exclusion, error) {
	for _, r := range distinguishing(s.selector) {
		if !slices.ContainsFunc(s.outside, func(other corev1.Pod) bool {
			return slices.Contains(r.Values, other.Labels[r.Key]) && selectorOf(p).Matches(labels.Set(other.Labels))
		}) {
			return exclude(p, leavingOut(r)), nil
		}
	}
	return exclusion{}, fmt.Errorf("%w: it would not hold: NetworkPolicy %s/%s allows pods of %s %s something, and cannot leave them out without other pods, "+
		"which carry the same labels: change that policy by hand, or scale to zero", connectors.ErrConflict, p.Namespace, p.Name, s.target.GetKind(), s.target.GetName())
}

// leavingOut keeps a policy off what meets a requirement for a value.
func leavingOut(r metav1.LabelSelectorRequirement) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOpNotIn, Values: r.Values}
}

// distinguishing are the requirements for a value.
func distinguishing(selector metav1.LabelSelector) []metav1.LabelSelectorRequirement {
	var found []metav1.LabelSelectorRequirement
	for _, key := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		found = append(found, metav1.LabelSelectorRequirement{Key: key, Values: []string{selector.MatchLabels[key]}})
	}
	for _, r := range selector.MatchExpressions {
		if r.Operator == metav1.LabelSelectorOpIn {
			found = append(found, metav1.LabelSelectorRequirement{Key: r.Key, Values: r.Values})
		}
	}
	return found
}
