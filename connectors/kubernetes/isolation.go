package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// annotationKey on objects that Tocsin creates holds the key of the action that did.
const annotationKey = v1alpha1.Group + "/action-key"

// isolation of one pod is a label on it and a cut that selects the label.
type isolation struct {
	// pod with its UID.
	pod v1alpha1.TargetReference
	// policy is the name of the NetworkPolicy and the value of the label.
	policy string
	// former value of the label; nil for none.
	former *string
	// replaced are the labels by which other policies selected the pod.
	replaced []markChange
	// deny and exclusions are as in the cut.
	deny       enforcement
	exclusions []exclusion
}

// policyPrefix begins the name of each NetworkPolicy that isolates a pod.
const policyPrefix = "tocsin-quarantine-"

// policyName is the same for every attempt, and short enough for a label value.
func policyName(pod, uid string) string {
	const room = 63 - len(policyPrefix) - len("-12345678")
	if len(pod) > room {
		pod = pod[:room]
	}
	if len(uid) > 8 {
		uid = uid[:8]
	}
	return policyPrefix + strings.TrimRight(pod, "-.") + "-" + uid
}

// labelling is the half of the isolation that is on the pod.
func (i isolation) labelling() rewrite {
	r := rewrite{target: i.pod, fields: []field{{path: labelPath(v1alpha1.LabelQuarantine), from: optional(i.former), to: i.policy}}}
	for _, l := range i.replaced {
		r.fields = append(r.fields, field{path: labelPath(l.Key), from: optional(l.From), to: optional(l.To)})
	}
	return r
}

// cut is the other half.
func (i isolation) cut() cut {
	return cut{
		namespace: i.pod.Namespace, name: i.policy, deny: i.deny, exclusions: i.exclusions,
		selector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelQuarantine: i.policy}},
	}
}

// evade finds out how no other policy gets to select the pod: by other labels on
// it, and where selectors ask for none that could go, by keeping those policies off it.
// Rules that deny need neither.
func (i *isolation) evade(pod *unstructured.Unstructured, policies []networkingv1.NetworkPolicy) {
	if i.deny != "" {
		return
	}
	changes, left := escape(pod.GetLabels(), asWritten(without(policies, i.policy)), i.policy)
	i.replaced = changes
	for _, p := range left {
		i.exclusions = append(i.exclusions, exclude(p, metav1.LabelSelectorRequirement{
			Key: v1alpha1.LabelQuarantine, Operator: metav1.LabelSelectorOpNotIn, Values: []string{i.policy},
		}))
	}
}

// warnEvasion tells what the pod leaves with its labels, and whose policies change.
func (i isolation) warnEvasion(ctx context.Context, c *cluster, pod *unstructured.Unstructured, services []corev1.Service) ([]string, error) {
	var warnings []string
	if len(i.exclusions) > 0 {
		warnings = append(warnings, exclusionWarning(i.exclusions, "the pod"))
	}
	if len(i.replaced) == 0 {
		return warnings, nil
	}
	after := labels.Set{}
	for key, value := range pod.GetLabels() {
		after[key] = value
	}
	keys := make([]string, 0, len(i.replaced))
	for _, l := range i.replaced {
		keys = append(keys, l.Key)
		delete(after, l.Key)
		if l.To != nil {
			after[l.Key] = *l.To
		}
	}
	warnings = append(warnings, fmt.Sprintf("other NetworkPolicies select the pod by %s, which is taken from it until undo", listed(keys)))
	left, err := c.leavesOwner(ctx, pod, after)
	return slices.Concat(warnings, left, leavesServices(services, pod.GetLabels(), after)), err
}

func exclusionWarning(exclusions []exclusion, what string) string {
	names := make([]string, 0, len(exclusions))
	for _, e := range exclusions {
		names = append(names, e.Policy)
	}
	return fmt.Sprintf("the selector of NetworkPolicy %s is changed so that it leaves out %s: whoever applies that policy again, as GitOps does, lets its traffic through", listed(names), what)
}

// leavesOwner tells whether the pod's controller counts it no more.
func (c *cluster) leavesOwner(ctx context.Context, pod *unstructured.Unstructured, after labels.Set) ([]string, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return nil, nil
	}
	who := owner.Kind + " " + owner.Name
	if apiVersions[owner.Kind] != owner.APIVersion {
		return []string{fmt.Sprintf("the pod may leave %s, which controls it", who)}, nil
	}
	controller, err := c.get(ctx, object{Kind: owner.Kind, Namespace: pod.GetNamespace(), Name: owner.Name}.target())
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	selector, err := workloadSelector(controller)
	if err != nil {
		return nil, err
	}
	matcher, err := metav1.LabelSelectorAsSelector(&selector)
	switch {
	case err != nil || matcher.Matches(after):
		return nil, nil
	case owner.Kind == "StatefulSet":
		return []string{fmt.Sprintf("the pod leaves %s, which cannot replace it while it has its name", who)}, nil
	}
	return []string{fmt.Sprintf("the pod leaves %s, which starts another in its place; undo gives it back, and one too many is ended", who)}, nil
}

// leavesServices names the Services that lead to the pod no more.
func leavesServices(services []corev1.Service, before, after labels.Set) []string {
	var left []string
	for _, s := range services {
		selector := labels.SelectorFromSet(s.Spec.Selector)
		if len(s.Spec.Selector) > 0 && selector.Matches(before) && !selector.Matches(after) {
			left = append(left, s.Name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return []string{"the pod leaves Service " + listed(left)}
}

// onNodeNetwork refuses a pod that no policy holds.
func onNodeNetwork(pod *unstructured.Unstructured) error {
	if host, _, _ := unstructured.NestedBool(pod.Object, "spec", "hostNetwork"); host {
		return fmt.Errorf("%w: pod %s/%s uses the network of its node, where no NetworkPolicy holds it: delete it, or cordon the node and drain it",
			connectors.ErrConflict, pod.GetNamespace(), pod.GetName())
	}
	return nil
}
