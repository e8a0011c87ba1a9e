package egress

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Kubernetes reads a NetworkPolicy of the pod's namespace; false if it does not
// restrict the pod's egress.
func Kubernetes(pod Pod, spec networkingv1.NetworkPolicySpec) (Policy, bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(&spec.PodSelector)
	if err != nil {
		return Policy{}, false, err
	}
	// Without types the API server writes them; it did not always.
	applies := slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeEgress) || len(spec.PolicyTypes) == 0 && len(spec.Egress) > 0
	if !applies || !selector.Matches(labels.Set(pod.Labels)) {
		return Policy{}, false, nil
	}
	p := Policy{Restricts: true, order: orderKubernetes}
	for _, r := range spec.Egress {
		covers := Closed
		if len(r.To) == 0 {
			covers = Open
		}
		for _, peer := range r.To {
			// Selectors are of pods, which are inside.
			if peer.IPBlock != nil {
				covers = more(covers, known(addresses(peer.IPBlock.CIDR, peer.IPBlock.Except)))
			}
		}
		if !anyPort(r.Ports) {
			covers = onPorts(covers)
		}
		p.rules = append(p.rules, rule{allow, covers})
	}
	return p, true, nil
}

// known: the API server takes no block that is none.
func known(o Outside) Outside {
	if o == Unknown {
		return Limited
	}
	return o
}

func anyPort(ports []networkingv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port == nil && (p.Protocol == nil || *p.Protocol == corev1.ProtocolTCP)
	})
}
