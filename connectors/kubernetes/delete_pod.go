package kubernetes

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// deletePod deletes one pod, never the one that took its name since.
type deletePod struct{}

type podArguments struct {
	Pod string `json:"pod"`
}

func (deletePod) describe() operation.Operation {
	return operation.Operation{
		Name: "delete-pod", Summary: "Delete a pod",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible,
		Arguments: properties("pod", namespacedNameSchema), Result: noResult,
	}
}

func (deletePod) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[podArguments](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan, found, err := c.planDeparture(ctx, a.Pod, "delete")
	if err != nil || plan.Done {
		return plan, err
	}
	err = c.Delete(ctx, found, exactly(found.UID), client.DryRunAll)
	return plan, c.explain(err, "planning to delete "+name(plan.Target))
}

func (deletePod) execute(ctx context.Context, c *cluster, _ connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	found, err := c.get(ctx, plan.Target)
	if gone(err) {
		return succeeded("%s is gone", name(plan.Target))
	}
	if err == nil {
		err = sameObject(found, plan.Target)
	}
	if err != nil {
		return failed(err)
	}
	if found.GetDeletionTimestamp() == nil {
		err = c.Delete(ctx, found, exactly(found.GetUID()))
	}
	if err = client.IgnoreNotFound(err); err != nil {
		return failed(c.explain(err, "deleting "+name(plan.Target)))
	}
	return succeeded("%s is deleted; its containers end within their grace period", name(plan.Target))
}

// A deletion that has begun cannot be taken back, so it counts as there.
func (deletePod) observe(ctx context.Context, c *cluster, _ connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	found, err := c.get(ctx, target)
	switch {
	case gone(err):
		return connectors.EffectPresent, nil
	case err != nil:
		return connectors.EffectUnknown, err
	case sameObject(found, target) != nil, found.GetDeletionTimestamp() != nil:
		return connectors.EffectPresent, nil
	}
	return connectors.EffectAbsent, nil
}

// exactly restricts a deletion to the object with that UID.
func exactly(uid types.UID) client.Preconditions { return client.Preconditions{UID: &uid} }
