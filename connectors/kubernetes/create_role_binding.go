package kubernetes

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// createRoleBinding puts a removed binding back as it was.
type createRoleBinding struct{}

type createRoleBindingArguments struct {
	Binding map[string]any `json:"binding"`
}

func (createRoleBinding) describe() operation.Operation {
	return operation.Operation{
		Name: "create-role-binding", Summary: "Put a removed RoleBinding or ClusterRoleBinding back",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("binding", `{"type": "object", "required": ["apiVersion", "kind", "metadata", "roleRef"], "properties": {
			"apiVersion": {"const": "rbac.authorization.k8s.io/v1"}, "kind": `+bindingKinds+`,
			"metadata": {"type": "object", "required": ["name"], "properties": {"name": `+rbacNameSchema+`}}}}`),
		Result: noResult,
	}
}

// wanted is the binding of the request, and what is there under its name; nil for nothing.
func (createRoleBinding) wanted(ctx context.Context, c *cluster, request connectors.Request) (wanted, found *unstructured.Unstructured, err error) {
	a, err := decode[createRoleBindingArguments](request.Arguments)
	if err != nil {
		return nil, nil, err
	}
	wanted = &unstructured.Unstructured{Object: a.Binding}
	found, err = c.get(ctx, reference(wanted))
	if gone(err) {
		return wanted, nil, nil
	}
	return wanted, found, err
}

// reference is without the UID, since a binding that is put back gets a new one.
func reference(o *unstructured.Unstructured) v1alpha1.TargetReference {
	return v1alpha1.TargetReference{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
}

func (a createRoleBinding) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	wanted, found, err := a.wanted(ctx, c, request)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := reference(wanted)
	plan := connectors.Plan{Target: target, Summary: fmt.Sprintf("put %s back, which grants %s", name(target), roleOf(wanted))}
	if found != nil {
		plan.Target.UID, plan.Done = string(found.GetUID()), true
		return plan, same(found, wanted)
	}
	after := wanted.DeepCopy()
	if err := c.Create(ctx, after, client.DryRunAll); err != nil {
		return plan, c.explain(err, "planning to create "+name(target))
	}
	plan.Diff, err = kube.Diff(nil, after)
	return plan, err
}

// same is a conflict where another binding took the name meanwhile.
func same(found, wanted *unstructured.Unstructured) error {
	if equality.Semantic.DeepEqual(reusable(found).Object, wanted.Object) {
		return nil
	}
	return fmt.Errorf("%w: there is another %s by now", connectors.ErrConflict, name(reference(wanted)))
}

func (a createRoleBinding) execute(ctx context.Context, c *cluster, request connectors.Request, _ connectors.Plan) (connectors.Result, error) {
	wanted, found, err := a.wanted(ctx, c, request)
	if err != nil {
		return failed(err)
	}
	if found == nil {
		err = c.Create(ctx, wanted.DeepCopy())
	}
	if apierrors.IsAlreadyExists(err) {
		_, found, err = a.wanted(ctx, c, request)
	}
	if err == nil && found != nil {
		err = same(found, wanted)
	}
	if err != nil {
		return failed(c.explain(err, "creating "+name(reference(wanted))))
	}
	return succeeded("%s is back", name(reference(wanted)))
}

func (a createRoleBinding) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	wanted, found, err := a.wanted(ctx, c, request)
	switch {
	case err != nil:
		return connectors.EffectUnknown, err
	case found == nil:
		return connectors.EffectAbsent, nil
	case same(found, wanted) != nil:
		return connectors.EffectUnknown, nil
	}
	return connectors.EffectPresent, nil
}
