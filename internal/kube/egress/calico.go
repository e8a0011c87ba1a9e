package egress

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
)

// calicoPolicy is what counts of Calico's NetworkPolicy and GlobalNetworkPolicy.
type calicoPolicy struct {
	Spec struct {
		Tier                   string       `json:"tier"`
		Order                  *float64     `json:"order"`
		Selector               string       `json:"selector"`
		NamespaceSelector      string       `json:"namespaceSelector"`
		ServiceAccountSelector string       `json:"serviceAccountSelector"`
		Types                  []string     `json:"types"`
		Egress                 []calicoRule `json:"egress"`
		DoNotTrack             bool         `json:"doNotTrack"`
		PreDNAT                bool         `json:"preDNAT"`
	} `json:"spec"`
}

type calicoRule struct {
	Action      string           `json:"action"`
	Protocol    *json.RawMessage `json:"protocol"`
	NotProtocol *json.RawMessage `json:"notProtocol"`
	HTTP        *json.RawMessage `json:"http"`
	ICMP        *json.RawMessage `json:"icmp"`
	Source      map[string]any   `json:"source"`
	Destination struct {
		Nets              []string          `json:"nets"`
		NotNets           []string          `json:"notNets"`
		Selector          string            `json:"selector"`
		NotSelector       string            `json:"notSelector"`
		NamespaceSelector string            `json:"namespaceSelector"`
		ServiceAccounts   *json.RawMessage  `json:"serviceAccounts"`
		Services          *json.RawMessage  `json:"services"`
		Domains           []string          `json:"domains"`
		Ports             []json.RawMessage `json:"ports"`
		NotPorts          []json.RawMessage `json:"notPorts"`
	} `json:"destination"`
}

// errSelector: what a policy selects by is not known here.
var errSelector = errors.New("it selects by ServiceAccount, which is not looked at")

// Calico reads a NetworkPolicy of the pod's namespace, or a GlobalNetworkPolicy; false if
// it says nothing about the pod's egress. Destinations selected by labels count as inside:
// what network sets hold is not looked up.
func Calico(pod Pod, object map[string]any) (Policy, bool, error) {
	read, err := decode[calicoPolicy](object)
	if err != nil {
		return Policy{}, false, err
	}
	spec := read.Spec
	applies := slices.Contains(spec.Types, "Egress") || len(spec.Types) == 0 && len(spec.Egress) > 0
	if !applies || spec.DoNotTrack || spec.PreDNAT { // the latter are about nodes
		return Policy{}, false, nil
	}
	selected, err := selects(spec.Selector, calicoLabels(pod))
	if err == nil && selected {
		selected, err = selects(spec.NamespaceSelector, calicoNamespace(pod))
	}
	if err != nil || !selected {
		return Policy{}, false, err
	}
	if spec.ServiceAccountSelector != "" {
		return Policy{}, false, errSelector
	}
	p := Policy{Restricts: true, order: orderLast}
	if spec.Order != nil {
		p.order = *spec.Order
	}
	if cmp.Or(spec.Tier, "default") != "default" {
		// What another tier decides depends on its place among the tiers.
		p.rules = []rule{{pass, Unknown}}
		return p, true, nil
	}
	for _, r := range spec.Egress {
		p.rules = append(p.rules, r.read()...)
	}
	return p, true, nil
}

// read returns no rule for what only logs.
func (r calicoRule) read() []rule {
	covers := r.destinations()
	if r.partly() {
		covers = onPorts(covers)
	}
	switch r.Action {
	case "Allow":
		return []rule{{allow, covers}}
	case "Deny":
		if r.Protocol != nil {
			covers = onPorts(covers)
		}
		return []rule{{deny, covers}}
	case "Log":
		return nil
	}
	return []rule{{pass, covers}}
}

func (r calicoRule) destinations() Outside {
	d := r.Destination
	switch {
	case d.Selector+d.NamespaceSelector != "" || d.ServiceAccounts != nil || d.Services != nil:
		return Closed
	case len(d.Domains) > 0:
		return Limited
	case len(d.Nets) == 0 && len(d.NotNets) == 0:
		return Open
	case len(d.Nets) == 0:
		return addresses("0.0.0.0/0", d.NotNets)
	}
	covers := Closed
	for _, block := range d.Nets {
		found := addresses(block, d.NotNets)
		if found == Unknown {
			return Unknown
		}
		covers = more(covers, found)
	}
	return covers
}

// partly says whether the rule is about some of the traffic to its destinations only. An
// allowed protocol counts as all of it, if it is one that carries whatever one likes.
func (r calicoRule) partly() bool {
	carries := r.Protocol == nil || slices.Contains([]string{`"TCP"`, `"UDP"`, `6`, `17`, `"6"`, `"17"`}, string(*r.Protocol))
	return !carries || r.NotProtocol != nil || r.HTTP != nil || r.ICMP != nil || len(r.Source) > 0 ||
		len(r.Destination.Ports)+len(r.Destination.NotPorts) > 0 || r.Destination.NotSelector != ""
}

// calicoLabels are what Calico gives the endpoint of a pod.
func calicoLabels(pod Pod) map[string]string {
	set := map[string]string{
		"projectcalico.org/namespace": pod.Namespace, "projectcalico.org/orchestrator": "k8s", "projectcalico.org/serviceaccount": pod.ServiceAccount,
	}
	for key, value := range pod.NamespaceLabels {
		set["pcns."+key] = value
	}
	for key, value := range pod.Labels {
		set[key] = value
	}
	return set
}

func calicoNamespace(pod Pod) map[string]string {
	set := map[string]string{"projectcalico.org/name": pod.Namespace}
	for key, value := range pod.NamespaceLabels {
		set[key] = value
	}
	return set
}
