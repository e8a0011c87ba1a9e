package kubernetes

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// annotationKey on objects that Tocsin creates holds the key of the action that did.
const annotationKey = v1alpha1.Group + "/action-key"

// isolation of one pod is a label on it and a NetworkPolicy that selects the label
// and allows nothing.
type isolation struct {
	// pod with its UID.
	pod v1alpha1.TargetReference
	// policy is the name of the NetworkPolicy and the value of the label.
	policy string
	// former value of the label; nil for none.
	former *string
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
	return rewrite{target: i.pod, fields: []field{{path: labelPath(v1alpha1.LabelQuarantine), from: optional(i.former), to: i.policy}}}
}

// networkPolicy is the other half: both directions are restricted and nothing is allowed.
func (i isolation) networkPolicy(key string) *networkingv1.NetworkPolicy {
	policy := &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: i.pod.Namespace, Name: i.policy,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "tocsin"},
		},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelQuarantine: i.policy}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		},
	}
	if key != "" {
		policy.Annotations = map[string]string{annotationKey: key}
	}
	return policy
}

// found returns the NetworkPolicy of the isolation, or nil.
func (i isolation) found(ctx context.Context, c *cluster) (*networkingv1.NetworkPolicy, error) {
	policy := &networkingv1.NetworkPolicy{}
	err := c.Get(ctx, client.ObjectKey{Namespace: i.pod.Namespace, Name: i.policy}, policy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.explain(err, "reading NetworkPolicy "+i.pod.Namespace+"/"+i.policy)
	}
	return policy, i.intact(policy)
}

// intact refuses a policy of that name that does something else: somebody wants to be in the way.
func (i isolation) intact(policy *networkingv1.NetworkPolicy) error {
	if equality.Semantic.DeepEqual(policy.Spec, i.networkPolicy("").Spec) {
		return nil
	}
	return fmt.Errorf("%w: NetworkPolicy %s/%s is not what isolates the pod: look who changed it, and delete it",
		connectors.ErrConflict, i.pod.Namespace, i.policy)
}

// holes names what an isolation by NetworkPolicy does not close: policies are
// additive, so what another one allows stays allowed.
func holes(isolated *unstructured.Unstructured, others []networkingv1.NetworkPolicy) ([]string, error) {
	pod := &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(isolated.Object, pod); err != nil {
		return nil, err
	}
	var found []string
	if pod.Spec.HostNetwork {
		found = append(found, fmt.Sprintf("pod %s/%s uses the network of its node: no NetworkPolicy applies to it", pod.Namespace, pod.Name))
	}
	for _, p := range others {
		if len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) {
			found = append(found, fmt.Sprintf("NetworkPolicy %s/%s selects the pod too, and what it allows stays allowed", p.Namespace, p.Name))
		}
	}
	return found, nil
}
