package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// enforcement is the API version of policies that can deny, which the network
// plug-in brings; empty where there is none and only NetworkPolicies hold.
type enforcement string

// Those that are known, the first that is served counts.
const (
	cilium   enforcement = "cilium.io/v2"
	calico   enforcement = "projectcalico.org/v3"
	calicoV1 enforcement = "crd.projectcalico.org/v1"
)

const enforcementSchema = `{"enum": ["cilium.io/v2", "projectcalico.org/v3", "crd.projectcalico.org/v1"]}`

// enforcementFreshness is how late a plug-in that was just installed is known. Check asks too, so that no action waits for it.
const enforcementFreshness = 5 * time.Minute

// readEnforcement asks which of them are served.
func (c *cluster) readEnforcement(ctx context.Context) (enforcement, error) {
	s, err := c.serves(ctx)
	if err != nil {
		return "", err
	}
	for _, known := range []enforcement{cilium, calico, calicoV1} {
		if s.kinds[schema.FromAPIVersionAndKind(string(known), known.kind())] {
			return known, nil
		}
	}
	return "", nil
}

// enforcement of this cluster, as far as it was known a moment ago.
func (c *cluster) enforcement(ctx context.Context) (enforcement, error) {
	return c.enforced.get(ctx, c.clock, func() (enforcement, error) { return c.readEnforcement(ctx) })
}

func (e enforcement) kind() string {
	if e == cilium {
		return "CiliumNetworkPolicy"
	}
	return "NetworkPolicy"
}

func (e enforcement) String() string {
	if e == cilium {
		return "Cilium"
	}
	return "Calico"
}

// policy is an empty one.
func (e enforcement) policy(namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(schema.FromAPIVersionAndKind(string(e), e.kind()))
	object.SetNamespace(namespace)
	if e == calicoV1 {
		name = "default." + name // what Calico's own API calls the tier
	}
	object.SetName(name)
	return object
}

// isolating denies whatever the selector selects all traffic. A pod's own node
// stays let in by Cilium, or its probes would end it with all that is in it.
func (e enforcement) isolating(selector metav1.LabelSelector) map[string]any {
	if e == cilium {
		return map[string]any{
			"endpointSelector": ciliumSelector(selector),
			"ingressDeny": []any{
				map[string]any{"fromEntities": []any{"world", "remote-node"}},
				map[string]any{"fromEndpoints": []any{map[string]any{
					"matchExpressions": []any{map[string]any{"key": "k8s:io.kubernetes.pod.namespace", "operator": "Exists"}},
				}}},
			},
			"egressDeny": []any{map[string]any{"toEntities": []any{"all"}}},
		}
	}
	deny := []any{map[string]any{"action": "Deny"}}
	return map[string]any{
		"tier": "default", "order": int64(calicoFirst), "selector": calicoSelector(selector), "types": []any{"Ingress", "Egress"}, "ingress": deny, "egress": deny,
	}
}

// calicoFirst is an order before any that people choose.
const calicoFirst = -1000000

func ciliumSelector(selector metav1.LabelSelector) map[string]any {
	made := map[string]any{}
	if len(selector.MatchLabels) > 0 {
		matching := map[string]any{}
		for key, value := range selector.MatchLabels {
			matching[key] = value
		}
		made["matchLabels"] = matching
	}
	var expressions []any
	for _, r := range selector.MatchExpressions {
		expression := map[string]any{"key": r.Key, "operator": string(r.Operator)}
		if len(r.Values) > 0 {
			var values []any
			for _, v := range r.Values {
				values = append(values, v)
			}
			expression["values"] = values
		}
		expressions = append(expressions, expression)
	}
	if len(expressions) > 0 {
		made["matchExpressions"] = expressions
	}
	return made
}

// calicoSelector says the same in Calico's words. Keys and values are what the
// API server accepted as labels, so none holds a quote.
func calicoSelector(selector metav1.LabelSelector) string {
	var terms []string
	for _, key := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		terms = append(terms, fmt.Sprintf("%s == '%s'", key, selector.MatchLabels[key]))
	}
	for _, r := range selector.MatchExpressions {
		values := "{'" + strings.Join(r.Values, "', '") + "'}"
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			terms = append(terms, r.Key+" in "+values)
		case metav1.LabelSelectorOpNotIn:
			terms = append(terms, r.Key+" not in "+values)
		case metav1.LabelSelectorOpExists:
			terms = append(terms, "has("+r.Key+")")
		case metav1.LabelSelectorOpDoesNotExist:
			terms = append(terms, "!has("+r.Key+")")
		}
	}
	if len(terms) == 0 {
		return "all()"
	}
	return strings.Join(terms, " && ")
}
