package kubernetes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func policyOf(name string, allows bool, labels map[string]string, expressions ...metav1.LabelSelectorRequirement) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.PodSelector = metav1.LabelSelector{MatchLabels: labels, MatchExpressions: expressions}
	if allows {
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}}
	}
	return p
}

func TestEscape(t *testing.T) {
	const q = "q"
	to := func(key, from, to string) markChange {
		change := markChange{Key: key, From: &from, To: &to}
		if from == "" {
			change.From = nil
		}
		if to == "" {
			change.To = nil
		}
		return change
	}
	requirement := func(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
		return metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
	}
	web := map[string]string{"app": "web"}
	tests := map[string]struct {
		policies []networkingv1.NetworkPolicy
		want     []markChange
		wantLeft []string
	}{
		"none":                          {},
		"one that allows nothing":       {policies: []networkingv1.NetworkPolicy{policyOf("deny", false, nil)}},
		"one of other pods":             {policies: []networkingv1.NetworkPolicy{policyOf("db", true, map[string]string{"app": "db"})}},
		"by a label":                    {policies: []networkingv1.NetworkPolicy{policyOf("web", true, web)}, want: []markChange{to("app", "web", q)}},
		"by two labels, one is enough":  {policies: []networkingv1.NetworkPolicy{policyOf("web", true, map[string]string{"app": "web", "tier": "front"})}, want: []markChange{to("app", "web", q)}},
		"two policies, by two labels":   {policies: []networkingv1.NetworkPolicy{policyOf("a", true, map[string]string{"tier": "front"}), policyOf("b", true, web)}, want: []markChange{to("app", "web", q), to("tier", "front", q)}},
		"by one of values":              {policies: []networkingv1.NetworkPolicy{policyOf("web", true, nil, requirement("app", "In", "web", "db"))}, want: []markChange{to("app", "web", q)}},
		"by a key":                      {policies: []networkingv1.NetworkPolicy{policyOf("web", true, nil, requirement("app", "Exists"))}, want: []markChange{to("app", "web", "")}},
		"by the lack of a key":          {policies: []networkingv1.NetworkPolicy{policyOf("web", true, nil, requirement("public", "DoesNotExist"))}, want: []markChange{to("public", "", q)}},
		"by the lack of a value":        {policies: []networkingv1.NetworkPolicy{policyOf("web", true, nil, requirement("app", "NotIn", "db"))}, wantLeft: []string{"web"}},
		"every pod":                     {policies: []networkingv1.NetworkPolicy{policyOf("dns", true, nil)}, wantLeft: []string{"dns"}},
		"every pod, and by a label":     {policies: []networkingv1.NetworkPolicy{policyOf("dns", true, nil), policyOf("web", true, web)}, want: []markChange{to("app", "web", q)}, wantLeft: []string{"dns"}},
		"one that the change lets in":   {policies: []networkingv1.NetworkPolicy{policyOf("web", true, nil, requirement("app", "Exists")), policyOf("none", true, nil, requirement("app", "DoesNotExist"))}, want: []markChange{to("app", "web", "")}, wantLeft: []string{"none"}},
		"by the label of the isolation": {policies: []networkingv1.NetworkPolicy{policyOf("theirs", true, nil, requirement("soc.tocsin.dev/quarantine", "Exists"))}, wantLeft: []string{"theirs"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := labels.Set{"app": "web", "tier": "front"}
			got, left := escape(pod, test.policies, q)
			var names []string
			for _, p := range left {
				names = append(names, p.Name)
			}
			if diff := cmp.Diff([]any{test.want, test.wantLeft}, []any{got, names}); diff != "" {
				t.Errorf("changes and policies left (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(labels.Set{"app": "web", "tier": "front"}, pod); diff != "" {
				t.Errorf("the pod's own labels were changed:\n%s", diff)
			}
		})
	}
}

func TestExclusion(t *testing.T) {
	gone := metav1.LabelSelectorRequirement{Key: "q", Operator: "NotIn", Values: []string{"a"}}
	theirs := metav1.LabelSelectorRequirement{Key: "q", Operator: "NotIn", Values: []string{"b"}}
	p := policyOf("dns", true, nil, theirs)
	e := exclude(&p, gone)
	with := e.changed(&p, true)
	if all, _ := e.there(with); !all || len(allowing([]networkingv1.NetworkPolicy{*with}, labels.Set{"q": "a"})) != 0 {
		t.Errorf("%+v still selects what is isolated", with.Spec.PodSelector)
	}
	if len(allowing([]networkingv1.NetworkPolicy{*with}, labels.Set{"app": "web"})) != 1 {
		t.Errorf("%+v no longer selects others", with.Spec.PodSelector)
	}
	if diff := cmp.Diff(with, e.changed(with, true)); diff != "" {
		t.Errorf("twice is not once (-once +twice):\n%s", diff)
	}
	if diff := cmp.Diff(&p, e.changed(with, false)); diff != "" {
		t.Errorf("taken back (-want +got):\n%s", diff)
	}
}

func TestSelectorsOfPlugins(t *testing.T) {
	tests := map[string]struct {
		selector metav1.LabelSelector
		calico   string
		cilium   map[string]any
	}{
		"everything": {calico: "all()", cilium: map[string]any{}},
		"labels":     {metav1.LabelSelector{MatchLabels: map[string]string{"b": "2", "a.example.com/x": "1"}}, "a.example.com/x == '1' && b == '2'", map[string]any{"matchLabels": map[string]any{"b": "2", "a.example.com/x": "1"}}},
		"expressions": {metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "a", Operator: "In", Values: []string{"1", "2"}}, {Key: "b", Operator: "NotIn", Values: []string{"3"}}, {Key: "c", Operator: "Exists"}, {Key: "d", Operator: "DoesNotExist"},
		}}, "a in {'1', '2'} && b not in {'3'} && has(c) && !has(d)", map[string]any{"matchExpressions": []any{
			map[string]any{"key": "a", "operator": "In", "values": []any{"1", "2"}}, map[string]any{"key": "b", "operator": "NotIn", "values": []any{"3"}},
			map[string]any{"key": "c", "operator": "Exists"}, map[string]any{"key": "d", "operator": "DoesNotExist"},
		}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.calico, calicoSelector(test.selector)); diff != "" {
				t.Errorf("Calico (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.cilium, ciliumSelector(test.selector)); diff != "" {
				t.Errorf("Cilium (-want +got):\n%s", diff)
			}
		})
	}
}
