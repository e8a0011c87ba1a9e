package kubernetes

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// workloadSelector is spec.selector, by which a workload knows its pods.
func workloadSelector(workload *unstructured.Unstructured) (metav1.LabelSelector, error) {
	var selector metav1.LabelSelector
	raw, _, _ := unstructured.NestedMap(workload.Object, "spec", "selector")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &selector); err != nil {
		return selector, fmt.Errorf("spec.selector of %s %s: %w", workload.GetKind(), workload.GetName(), err)
	}
	return selector, nil
}
