package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/kube/egress"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// networkRules tells what restricts the egress of a pod. Whether the network enforces
// it, the API server does not know.
type networkRules struct{}

func (networkRules) describe() operation.Operation {
	const text, flag, texts = `{"type": "string"}`, `{"type": "boolean"}`, `{"type": "array", "items": {"type": "string"}}`
	return operation.Operation{
		Name: "network-rules", Summary: "What restricts a pod's egress, and whether it can reach what is outside of the cluster",
		Mode:      v1alpha1.OperationRead,
		Arguments: properties("pod", namespacedNameSchema),
		Result: properties("found", flag, "pod", text, "hostNetwork", flag, "restricted", flag,
			"outside", `{"enum": ["Open", "Limited", "Closed", "Unknown"]}`, "policies", texts, "gaps", texts),
		// Whoever may edit the namespace writes its policies, and whoever creates the pod
		// chooses the labels by which they select it.
		Untrusted: []string{"pod", "restricted", "outside", "policies", "gaps"},
	}
}

type networkRestrictions struct {
	Found       bool   `json:"found"`
	Pod         string `json:"pod"`
	HostNetwork bool   `json:"hostNetwork"`
	Restricted  bool   `json:"restricted"`
	// Outside is how much of what is outside of the cluster the pod can reach.
	Outside  egress.Outside `json:"outside"`
	Policies []string       `json:"policies"`
	Gaps     []string       `json:"gaps"`
}

// maxPolicies that an answer names.
const maxPolicies = 16

func (networkRules) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[podArguments](arguments)
	if err != nil {
		return nil, err
	}
	p, err := c.workload(ctx, a.Pod, "")
	if err != nil || p == nil {
		return nil, err
	}
	answered := networkRestrictions{Found: true, Pod: a.Pod, Outside: egress.Open, Policies: []string{}, Gaps: []string{}}
	if answered.HostNetwork = p.Spec.HostNetwork; answered.HostNetwork {
		// No policy for pods applies to it.
		return answer(answered)
	}
	r := &ruling{named: []string{}}
	if r.extras, err = c.extras(ctx); err != nil {
		return nil, err
	}
	if err := r.gather(ctx, p); err != nil {
		return nil, err
	}
	answered.Outside, answered.Policies, answered.Gaps = egress.Evaluate(r.policies), r.named, r.gaps
	for _, policy := range r.policies {
		answered.Restricted = answered.Restricted || policy.Restricts
	}
	if len(r.gaps) > 0 {
		answered.Outside = egress.Unknown
	}
	return answer(answered)
}

// ruling gathers the policies that are about the egress of one pod.
type ruling struct {
	*extras
	pod      egress.Pod
	policies []egress.Policy
	named    []string
}

func (r *ruling) gather(ctx context.Context, p *corev1.Pod) error {
	r.pod = egress.Pod{Namespace: p.Namespace, ServiceAccount: p.Spec.ServiceAccountName, Labels: p.Labels}
	calico := calicoPolicies
	if !r.has(calico) {
		calico = calicoAPI
	}
	if r.has(ciliumPolicies) || r.has(calico) {
		namespace, err := r.metadata(ctx, object{Kind: "Namespace", Name: p.Namespace}.target())
		if err != nil {
			return err
		}
		r.pod.NamespaceLabels = namespace.Labels
	}
	policies, err := r.policiesLately(ctx, p.Namespace)
	if err != nil {
		return err
	}
	for _, item := range policies {
		policy, selected, err := egress.Kubernetes(r.pod, item.Spec)
		r.keep("NetworkPolicy", &item, policy, selected, err)
	}
	r.read(ctx, ciliumPolicies, p.Namespace, r.each(egress.Cilium))
	r.read(ctx, calico, p.Namespace, r.each(egress.Calico))
	return r.err
}

// each reads policies of one make.
func (r *ruling) each(read func(egress.Pod, map[string]any) (egress.Policy, bool, error)) func(unstructured.Unstructured) {
	return func(found unstructured.Unstructured) {
		policy, selected, err := read(r.pod, found.Object)
		r.keep(found.GroupVersionKind().GroupKind().String(), &found, policy, selected, err)
	}
}

func (r *ruling) keep(kind string, found client.Object, policy egress.Policy, selected bool, err error) {
	named := name(v1alpha1.TargetReference{Kind: kind, Namespace: found.GetNamespace(), Name: found.GetName()})
	if err != nil {
		r.gap("%s was not understood: %s", clipped(named), clipped(err.Error()))
		return
	}
	if !selected {
		return
	}
	r.policies = append(r.policies, policy)
	switch {
	case len(r.named) < maxPolicies:
		r.named = append(r.named, clipped(named))
	case len(r.named) == maxPolicies:
		r.named = append(r.named, fmt.Sprintf("and more than %d others", maxPolicies))
	}
}
