package kubernetes

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// createRoleBinding puts a removed binding back as it was.
var createRoleBinding = &recreating{
	operation: operation.Operation{
		Name: "create-role-binding", Summary: "Put a removed RoleBinding or ClusterRoleBinding back",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("binding", `{"type": "object", "required": ["apiVersion", "kind", "metadata", "roleRef"], "properties": {
			"apiVersion": {"const": "rbac.authorization.k8s.io/v1"}, "kind": `+bindingKinds+`,
			"metadata": {"type": "object", "required": ["name"], "properties": {"name": `+rbacNameSchema+`}}}}`),
		Result: noResult,
	},
	member: "binding",
	summary: func(binding *unstructured.Unstructured) string {
		return "put " + name(reference(binding)) + " back, which grants " + roleOf(binding)
	},
}
