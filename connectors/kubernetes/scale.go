package kubernetes

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

const scaledKinds = `{"enum": ["Deployment", "StatefulSet", "ReplicaSet"]}`

// Scaling goes through the scale subresource, so that the ServiceAccount needs no
// right to change anything else of a workload.
var scaleToZero = &rewriting{
	operation: operation.Operation{
		Name: "scale-to-zero", Summary: "Stop all pods of a workload",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: properties("kind", scaledKinds, "namespace", namespaceSchema, "name", nameSchema), Result: noResult,
	},
	blind: true,
	parse: func(arguments map[string]any) (rewrite, error) {
		a, err := decode[object](arguments)
		return scaling(a, nil, nil), err
	},
	summary: scaleSummary,
	feel:    feelScaling,
	undo: func(r rewrite) (*connectors.Inverse, error) {
		from, _ := r.fields[0].from.(int64)
		return inverse(scale.operation.Name, scaleArguments{
			object: named(r.target),
			To:     from,
		})
	},
	undone: parseScale,
}

var scale = &rewriting{
	operation: operation.Operation{
		Name: "scale", Summary: "Give a workload the replicas back that it had",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("kind", scaledKinds, "namespace", namespaceSchema, "name", nameSchema, "uid", uidSchema,
			"from", `{"type": "integer", "minimum": 0}`, "to", `{"type": "integer", "minimum": 0}`),
		Result: noResult,
	},
	parse:   parseScale,
	summary: scaleSummary,
}

type scaleArguments struct {
	object
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

func parseScale(arguments map[string]any) (rewrite, error) {
	a, err := decode[scaleArguments](arguments)
	return scaling(a.object, replicas(a.From), replicas(a.To)), err
}

func scaling(o object, from, to any) rewrite {
	return rewrite{
		target: o.target(), subresource: "scale",
		fields: []field{{path: []string{"spec", "replicas"}, from: from, to: to}},
	}
}

// replicas of a Scale: the API server leaves zero out, so that absent is what zero is.
func replicas(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func scaleSummary(r rewrite) string {
	from, _ := r.fields[0].from.(int64)
	to, _ := r.fields[0].to.(int64)
	return fmt.Sprintf("scale %s from %d to %d", name(r.target), from, to)
}

// feelScaling tells where the workload's owner would scale it up again, and what else feels it.
func feelScaling(ctx context.Context, c *cluster, r rewrite) (blast, error) {
	workload, err := c.get(ctx, r.target)
	if err != nil {
		return blast{}, err
	}
	if err := keepsVolumes(workload, "whenScaled"); err != nil {
		return blast{}, err
	}
	felt, err := c.withoutPodsOf(ctx, workload)
	if err != nil {
		return felt, err
	}
	if owner := metav1.GetControllerOf(workload); owner != nil {
		felt.warnings = append(felt.warnings, fmt.Sprintf("%s is controlled by %s %s, which will scale it up again: scale that one",
			name(r.target), owner.Kind, owner.Name))
	}
	return felt, err
}

// keepsVolumes refuses a StatefulSet whose volumes would go with its pods: nothing brings back what is on them.
func keepsVolumes(workload *unstructured.Unstructured, when string) error {
	policy, _, _ := unstructured.NestedString(workload.Object, "spec", "persistentVolumeClaimRetentionPolicy", when)
	if workload.GetKind() != "StatefulSet" || policy != string(appsv1.DeletePersistentVolumeClaimRetentionPolicyType) {
		return nil
	}
	return fmt.Errorf("%w: %s would lose its volumes for good (spec.persistentVolumeClaimRetentionPolicy.%s is %s): isolate it, or set that to Retain",
		connectors.ErrConflict, name(reference(workload)), when, policy)
}

// withoutPodsOf tells what it would be like without any pod of a workload.
func (c *cluster) withoutPodsOf(ctx context.Context, workload *unstructured.Unstructured) (blast, error) {
	around, err := c.surroundings(ctx, workload.GetNamespace())
	if err != nil {
		return blast{}, err
	}
	selector, err := podSelectorOf(workload)
	if err != nil {
		return blast{}, err
	}
	taken := map[types.UID]bool{}
	var pods []corev1.Pod
	for i := range around.pods {
		if selector.Matches(labels.Set(around.pods[i].Labels)) {
			taken[around.pods[i].UID] = true
			pods = append(pods, around.pods[i])
		}
	}
	felt := around.without(taken)
	felt.pods = pods
	return felt, nil
}

func podSelectorOf(workload *unstructured.Unstructured) (labels.Selector, error) {
	raw, _, err := unstructured.NestedMap(workload.Object, "spec", "selector")
	if err != nil {
		return nil, err
	}
	decoded, err := decode[metav1.LabelSelector](raw)
	if err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&decoded)
}
