package kubernetes

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// isolateNamespace cuts off every pod of a namespace, from the others in it as well.
var isolateNamespace = &quarantining{
	operation: operation.Operation{
		Name: "isolate-namespace", Summary: "Cut all pods of a namespace off the network, both ways",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskCritical, Undo: v1alpha1.UndoReversible,
		Arguments: properties("namespace", namespaceSchema), Result: noResult,
	},
	parse: parseNamespace,
	within: func(namespace *unstructured.Unstructured) (string, metav1.LabelSelector, error) {
		return namespace.GetName(), metav1.LabelSelector{}, nil
	},
	allowing: func(s enclosure) []*networkingv1.NetworkPolicy {
		var found []*networkingv1.NetworkPolicy
		for i := range s.policies {
			p := &s.policies[i]
			if shut, _ := exclude(p, nothing...).there(p); len(p.Spec.Ingress)+len(p.Spec.Egress) > 0 && !shut {
				found = append(found, p)
			}
		}
		return found
	},
	exclude: func(_ enclosure, p *networkingv1.NetworkPolicy) (exclusion, error) {
		return exclude(p, nothing...), nil
	},
	undo: "release-namespace",
}

var releaseNamespace = releasing{name: "release-namespace", summary: "Let the pods of an isolated namespace onto the network again", risk: v1alpha1.RiskCritical}

// nobody is a label of no other use: undo must not take out what a policy asked for before.
const nobody = v1alpha1.Group + "/nobody"

// nothing meets both requirements.
var nothing = []metav1.LabelSelectorRequirement{
	{Key: nobody, Operator: metav1.LabelSelectorOpExists},
	{Key: nobody, Operator: metav1.LabelSelectorOpDoesNotExist},
}

func parseNamespace(arguments map[string]any) (v1alpha1.TargetReference, error) {
	a, err := decode[struct {
		Namespace string `json:"namespace"`
	}](arguments)
	return object{Kind: "Namespace", Name: a.Namespace}.target(), err
}
