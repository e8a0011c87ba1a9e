package kubernetes

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// annotationRestart on a pod template holds the key of the action that replaced the pods.
const annotationRestart = v1alpha1.Group + "/restarted-by"

const rolledKinds = `{"enum": ["Deployment", "StatefulSet", "DaemonSet"]}`

// restartWorkload replaces the pods of a workload by fresh ones, as fast as its own
// update strategy lets it.
type restartWorkload struct{}

func (restartWorkload) describe() operation.Operation {
	return operation.Operation{
		Name: "restart-workload", Summary: "Replace all pods of a workload by fresh ones, in a rolling update",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible,
		Arguments: properties("kind", rolledKinds, "namespace", namespaceSchema, "name", nameSchema), Result: noResult,
	}
}

// restarting marks the template with the key, so that an attempt again changes nothing.
func restarting(request connectors.Request) (rewrite, error) {
	a, err := decode[object](request.Arguments)
	return rewrite{target: a.target(), overwrites: true, fields: []field{
		{path: []string{"spec", "template", "metadata", "annotations", annotationRestart}, to: request.Key},
	}}, err
}

func (restartWorkload) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	r, err := restarting(request)
	if err != nil {
		return connectors.Plan{}, err
	}
	before, after, err := c.tryRewrite(ctx, &r, true, nil)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: r.target, Summary: "restart " + name(r.target), Done: r.effect(before) == connectors.EffectPresent}
	if plan.Diff, err = kube.Diff(before, after); err != nil || plan.Done {
		return plan, err
	}
	plan.Warnings = append(warnRollout(before, "restarted"), warnDeletion(before)...)
	c.captureReplaced(ctx, &plan, before)
	return plan, nil
}

func (restartWorkload) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	r, err := restarting(request)
	if err == nil && plan.Target.UID == "" {
		err = fmt.Errorf("%w: the plan names no uid, so nothing is changed", connectors.ErrInvalid)
	}
	if err != nil {
		return failed(err)
	}
	r.target.UID = plan.Target.UID
	if _, err := c.rewrite(ctx, r, nil); err != nil {
		return failed(err)
	}
	return succeeded("%s replaces its pods", name(r.target))
}

func (restartWorkload) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	r, err := restarting(request)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	return c.observeRewrite(ctx, r, target)
}

// warnRollout tells where a change of the template does not reach the pods, or all of them at once.
func warnRollout(workload *unstructured.Unstructured, what string) []string {
	what = "the pods are not " + what
	ref := name(reference(workload))
	strategy, _, _ := unstructured.NestedString(workload.Object, "spec", "strategy", "type")
	update, _, _ := unstructured.NestedString(workload.Object, "spec", "updateStrategy", "type")
	paused, _, _ := unstructured.NestedBool(workload.Object, "spec", "paused")
	partition, _, _ := unstructured.NestedInt64(workload.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	var warnings []string
	if paused {
		warnings = append(warnings, fmt.Sprintf("%s is paused: %s until it is resumed", ref, what))
	}
	if update == "OnDelete" {
		warnings = append(warnings, fmt.Sprintf("%s updates a pod only when somebody deletes it: %s before", ref, what))
	}
	if partition > 0 {
		warnings = append(warnings, fmt.Sprintf("%s has the partition %d: of pods below that number %s", ref, partition, what))
	}
	if strategy == "Recreate" {
		warnings = append(warnings, ref+" stops all its pods before it starts new ones (strategy Recreate)")
	}
	return warnings
}
