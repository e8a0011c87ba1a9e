package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

const bindingKinds = `{"enum": ["ClusterRoleBinding", "RoleBinding"]}`

var bindingScope = scoped("ClusterRoleBinding")

// removeRoleBinding deletes a binding, as long as it is what was planned.
type removeRoleBinding struct{}

func (removeRoleBinding) describe() operation.Operation {
	return operation.Operation{
		Name: "remove-role-binding", Summary: "Delete a RoleBinding or ClusterRoleBinding",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: "{" + members("kind", bindingKinds, "namespace?", namespaceSchema, "name", rbacNameSchema) + "," + bindingScope + "}",
		Result:    noResult,
	}
}

func (removeRoleBinding) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[object](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := a.target()
	plan := connectors.Plan{Target: target, Summary: "remove " + name(target)}
	found, err := c.get(ctx, target)
	if gone(err) {
		plan.Done, plan.Warnings = true, []string{"there is no " + name(target)}
		return plan, nil
	}
	if err != nil {
		return plan, err
	}
	plan.Target.UID = string(found.GetUID())
	plan.Summary = fmt.Sprintf("remove %s, which grants %s", name(target), roleOf(found))
	plan.Affects, plan.Grants = usersOf(found), []string{roleName(found)}
	if slices.Contains(plan.Affects, c.account.user()) {
		return plan, fmt.Errorf("%w: %s: Tocsin acts by it as %s here, and could not put it back", connectors.ErrConflict, name(target), c.account)
	}
	if err := c.Delete(ctx, found, exactly(found.GetUID()), client.DryRunAll); err != nil {
		return plan, c.explain(err, "planning to delete "+name(target))
	}
	if plan.Diff, err = kube.Diff(found, nil); err != nil {
		return plan, err
	}
	if plan.Warnings, err = c.restorable(ctx, found); err != nil {
		return plan, err
	}
	plan.Warnings = append(plan.Warnings, warnFinalizers(found)...)
	if groups := groupsOf(found); len(groups) > 0 {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("it takes rights from everybody in %s, maybe from who approves it: nobody here knows who that is", strings.Join(groups, ", ")))
	}
	plan.Inverse, err = createRoleBinding.inverse(reusable(found))
	if err == nil && len(plan.Inverse.Arguments) > maxObject {
		// Whoever fills a binding up must not keep it from being removed by that.
		plan.Warnings, plan.Inverse = append(plan.Warnings, tooLarge(len(plan.Inverse.Arguments))), nil
	}
	return plan, err
}

// restorable warns where an undo would be refused.
func (c *cluster) restorable(ctx context.Context, binding *unstructured.Unstructured) ([]string, error) {
	err := c.tryRecreate(ctx, binding)
	if apierrors.IsForbidden(err) {
		return []string{"undo will be refused as things are: " + c.account.missing(err)}, nil
	}
	return nil, c.explain(err, "planning to restore "+binding.GetName())
}

// tryRecreate has the API server create an object as it is without keeping it. It checks rights, and
// those of bindings for escalation, also in a dry run, which needs a name that is free.
func (c *cluster) tryRecreate(ctx context.Context, found *unstructured.Unstructured) error {
	again := reusable(found)
	again.SetName("tocsin-dry-run-" + string(found.GetUID()))
	return c.Create(ctx, again, client.DryRunAll)
}

func roleOf(binding *unstructured.Unstructured) string {
	kind, _, _ := unstructured.NestedString(binding.Object, "roleRef", "kind")
	return kind + " " + roleName(binding)
}

func roleName(binding *unstructured.Unstructured) string {
	role, _, _ := unstructured.NestedString(binding.Object, "roleRef", "name")
	return role
}

// groupsOf are the groups among the subjects.
func groupsOf(binding *unstructured.Unstructured) []string {
	subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
	var groups []string
	for _, s := range subjects {
		subject, _ := s.(map[string]any)
		if named, _ := subject["name"].(string); subject["kind"] == rbacv1.GroupKind {
			groups = append(groups, "group "+named)
		}
	}
	return groups
}

// usersOf are the user names among the subjects; a group names nobody.
func usersOf(binding *unstructured.Unstructured) []string {
	subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
	var users []string
	for _, s := range subjects {
		subject, _ := s.(map[string]any)
		named, _ := subject["name"].(string)
		switch subject["kind"] {
		case rbacv1.UserKind:
			users = append(users, named)
		case rbacv1.ServiceAccountKind:
			namespace, _ := subject["namespace"].(string)
			users = append(users, "system:serviceaccount:"+namespace+":"+named)
		}
	}
	return users
}

func (removeRoleBinding) execute(ctx context.Context, c *cluster, _ connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	return c.removePlanned(ctx, plan)
}

func (removeRoleBinding) observe(ctx context.Context, c *cluster, _ connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	found, err := c.get(ctx, target)
	switch {
	case gone(err):
		return connectors.EffectPresent, nil
	case err != nil:
		return connectors.EffectUnknown, err
	case sameObject(found, target) != nil:
		return connectors.EffectPresent, nil
	}
	return connectors.EffectAbsent, nil
}
