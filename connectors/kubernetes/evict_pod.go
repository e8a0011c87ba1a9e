package kubernetes

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// evictPod lets one pod go when its disruption budget lets it.
type evictPod struct{}

func (evictPod) describe() operation.Operation {
	return operation.Operation{
		Name: "evict-pod", Summary: "Delete a pod as soon as its disruption budget allows it",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible,
		Arguments: properties("pod", namespacedNameSchema), Result: noResult,
	}
}

func (evictPod) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[podArguments](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan, found, err := c.planDeparture(ctx, a.Pod, "evict")
	if err != nil || plan.Done {
		return plan, err
	}
	budgets, err := c.budgets(ctx, found.Namespace)
	if err != nil {
		return plan, err
	}
	plan.Warnings = append(plan.Warnings, budgets.warn(found)...)
	err = c.evict(ctx, found, budgets, client.DryRunAll)
	if errors.Is(err, connectors.ErrBlocked) {
		plan.Blocked, err = err.Error(), nil
	}
	return plan, err
}

func (evictPod) execute(ctx context.Context, c *cluster, _ connectors.Request, plan connectors.Plan) (connectors.Result, error) {
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
		err = c.evictFound(ctx, found)
	}
	if err != nil {
		return failed(err)
	}
	return succeeded("%s is evicted; its containers end within their grace period", name(plan.Target))
}

func (c *cluster) evictFound(ctx context.Context, found *unstructured.Unstructured) error {
	p, err := typedPod(found)
	if err != nil {
		return err
	}
	budgets, err := c.budgets(ctx, p.Namespace)
	if err != nil {
		return err
	}
	return c.evict(ctx, p, budgets)
}

func (evictPod) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	return deletePod{}.observe(ctx, c, request, target)
}

// planDeparture is what deleting and evicting a pod have in common: the pod goes, and who feels it.
func (c *cluster) planDeparture(ctx context.Context, namespacedName, verb string) (connectors.Plan, *corev1.Pod, error) {
	target := pod(namespacedName, "")
	plan := connectors.Plan{Target: target, Summary: verb + " pod " + namespacedName}
	found, err := c.get(ctx, target)
	if gone(err) {
		plan.Done, plan.Warnings = true, []string{"there is no pod " + namespacedName}
		return plan, nil, nil
	}
	if err != nil {
		return plan, nil, err
	}
	plan.Target.UID = string(found.GetUID())
	if plan.Done = found.GetDeletionTimestamp() != nil; plan.Done {
		return plan, nil, nil
	}
	if plan.Diff, err = kube.Diff(found, nil); err != nil {
		return plan, nil, err
	}
	p, err := typedPod(found)
	if err != nil {
		return plan, nil, err
	}
	around, err := c.surroundings(ctx, p.Namespace)
	felt := around.without(map[types.UID]bool{p.UID: true})
	plan.Shares, plan.Warnings = felt.shares, append(warnDeparture(p), felt.warnings...)
	c.captureFirst(&plan, []corev1.Pod{*p})
	return plan, p, err
}

// warnDeparture tells where a pod that goes does not come back, or where only its shadow goes.
func warnDeparture(p *corev1.Pod) []string {
	if mirrors(p) {
		return []string{fmt.Sprintf("pod %s/%s mirrors a static pod of node %s, which goes on: remove its manifest on the node", p.Namespace, p.Name, p.Spec.NodeName)}
	}
	if metav1.GetControllerOf(p) == nil {
		return []string{fmt.Sprintf("no controller owns pod %s/%s: nothing will start it again", p.Namespace, p.Name)}
	}
	return nil
}

// mirrors says that a pod only shows one that its node runs by itself.
func mirrors(p *corev1.Pod) bool {
	_, is := p.Annotations[corev1.MirrorPodAnnotationKey]
	return is
}

func typedPod(found *unstructured.Unstructured) (*corev1.Pod, error) {
	p := &corev1.Pod{}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, p)
	return p, err
}
