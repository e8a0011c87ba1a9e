package egress

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// ciliumPolicy is what counts of CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.
type ciliumPolicy struct {
	Spec  *ciliumRule  `json:"spec"`
	Specs []ciliumRule `json:"specs"`
}

type ciliumRule struct {
	// EndpointSelector is nil in rules about nodes.
	EndpointSelector  *metav1.LabelSelector `json:"endpointSelector"`
	Egress            []ciliumEgress        `json:"egress"`
	EgressDeny        []ciliumEgress        `json:"egressDeny"`
	EnableDefaultDeny struct {
		Egress *bool `json:"egress"`
	} `json:"enableDefaultDeny"`
}

type ciliumEgress struct {
	ToEndpoints []json.RawMessage `json:"toEndpoints"`
	ToRequires  []json.RawMessage `json:"toRequires"`
	ToServices  []json.RawMessage `json:"toServices"`
	ToNodes     []json.RawMessage `json:"toNodes"`
	ToGroups    []json.RawMessage `json:"toGroups"`
	ToFQDNs     []json.RawMessage `json:"toFQDNs"`
	ToEntities  []string          `json:"toEntities"`
	ToCIDR      []string          `json:"toCIDR"`
	ToCIDRSet   []struct {
		CIDR   string   `json:"cidr"`
		Except []string `json:"except"`
	} `json:"toCIDRSet"`
	ToPorts []json.RawMessage `json:"toPorts"`
	ICMPs   []json.RawMessage `json:"icmps"`
}

// Cilium reads a CiliumNetworkPolicy of the pod's namespace, or a clusterwide one;
// false if it says nothing about the pod's egress.
func Cilium(pod Pod, object map[string]any) (Policy, bool, error) {
	read, err := decode[ciliumPolicy](object)
	if err != nil {
		return Policy{}, false, err
	}
	all := read.Specs
	if read.Spec != nil {
		all = append(all, *read.Spec)
	}
	p, found := Policy{order: orderKubernetes}, false
	for _, r := range all {
		if r.EndpointSelector == nil || len(r.Egress)+len(r.EgressDeny) == 0 {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(withoutSource(r.EndpointSelector))
		if err != nil {
			return Policy{}, false, err
		}
		if !selector.Matches(ciliumLabels(pod)) {
			continue
		}
		found = true
		p.Restricts = p.Restricts || r.EnableDefaultDeny.Egress == nil || *r.EnableDefaultDeny.Egress
		for _, e := range r.EgressDeny {
			p.first = append(p.first, rule{deny, e.covers()})
		}
		for _, e := range r.Egress {
			p.rules = append(p.rules, rule{allow, e.covers()})
		}
	}
	return p, found, nil
}

// covers: a rule without a destination is about all of them if it names ports, and
// about none otherwise.
func (e ciliumEgress) covers() Outside {
	onlySome := len(e.ToPorts)+len(e.ICMPs) > 0
	destinations := len(e.ToEndpoints) + len(e.ToRequires) + len(e.ToServices) + len(e.ToNodes) + len(e.ToGroups) + len(e.ToFQDNs) +
		len(e.ToEntities) + len(e.ToCIDR) + len(e.ToCIDRSet)
	if destinations == 0 && onlySome {
		return Limited
	}
	covers := Closed
	if len(e.ToFQDNs)+len(e.ToGroups) > 0 {
		covers = Limited
	}
	for _, entity := range e.ToEntities {
		switch entity {
		case "all", "world", "world-ipv4":
			covers = Open
		case "world-ipv6":
			covers = more(covers, Limited)
		}
	}
	for _, cidr := range e.ToCIDR {
		covers = more(covers, known(addresses(cidr, nil)))
	}
	for _, set := range e.ToCIDRSet {
		// Without a block it refers to a group of them elsewhere.
		covers = more(covers, known(addresses(set.CIDR, set.Except)))
	}
	if onlySome {
		return onPorts(covers)
	}
	return covers
}

// ciliumLabels are what Cilium gives an endpoint.
func ciliumLabels(pod Pod) labels.Set {
	set := labels.Set{"io.kubernetes.pod.namespace": pod.Namespace, "io.cilium.k8s.policy.serviceaccount": pod.ServiceAccount}
	for key, value := range pod.NamespaceLabels {
		set["io.cilium.k8s.namespace.labels."+key] = value
	}
	for key, value := range pod.Labels {
		set[key] = value
	}
	return set
}

// withoutSource takes the sources off the keys: all labels of a pod are from Kubernetes.
// One of another source stays, and selects no pod.
func withoutSource(selector *metav1.LabelSelector) *metav1.LabelSelector {
	plain := func(key string) string {
		for _, source := range []string{"k8s:", "any:"} {
			if rest, ok := strings.CutPrefix(key, source); ok {
				return rest
			}
		}
		return strings.Replace(key, ":", ".", 1)
	}
	cut := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for key, value := range selector.MatchLabels {
		cut.MatchLabels[plain(key)] = value
	}
	for _, e := range selector.MatchExpressions {
		e.Key = plain(e.Key)
		cut.MatchExpressions = append(cut.MatchExpressions, e)
	}
	return cut
}

// decode reads an object as far as its fields are known.
func decode[T any](object map[string]any) (T, error) {
	var into T
	raw, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(raw, &into)
	}
	return into, err
}
