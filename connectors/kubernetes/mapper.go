package kubernetes

import (
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mapped are the kinds that operations read or write, by group and scope.
var mapped = []struct {
	version schema.GroupVersion
	scope   meta.RESTScope
	kinds   []string
}{
	{corev1.SchemeGroupVersion, meta.RESTScopeNamespace, []string{"Pod", "Service", "ServiceAccount", "ReplicationController", "PersistentVolumeClaim", "Secret", "Event"}},
	{corev1.SchemeGroupVersion, meta.RESTScopeRoot, []string{"Namespace", "Node"}},
	{appsv1.SchemeGroupVersion, meta.RESTScopeNamespace, []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"}},
	{batchv1.SchemeGroupVersion, meta.RESTScopeNamespace, []string{"Job", "CronJob"}},
	{networkingv1.SchemeGroupVersion, meta.RESTScopeNamespace, []string{"NetworkPolicy", "Ingress"}},
	{policyv1.SchemeGroupVersion, meta.RESTScopeNamespace, []string{"PodDisruptionBudget"}},
	{rbacv1.SchemeGroupVersion, meta.RESTScopeNamespace, []string{"Role", "RoleBinding"}},
	{rbacv1.SchemeGroupVersion, meta.RESTScopeRoot, []string{"ClusterRole", "ClusterRoleBinding"}},
	{admissionv1.SchemeGroupVersion, meta.RESTScopeRoot, []string{
		"MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
	}},
	{authorizationv1.SchemeGroupVersion, meta.RESTScopeRoot, []string{"SelfSubjectAccessReview"}},
	{authenticationv1.SchemeGroupVersion, meta.RESTScopeRoot, []string{"SelfSubjectReview"}},
}

// builtIn maps kinds to resources without discovery, which knows no context, and
// which hides why the connector is not let in.
func builtIn() *meta.DefaultRESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, m := range mapped {
		for _, kind := range m.kinds {
			mapper.Add(m.version.WithKind(kind), m.scope)
		}
	}
	for _, kind := range slices.Concat(vulnerabilityReports, policyReportKinds, ciliumPolicies, calicoPolicies, calicoAPI) {
		scope := meta.RESTScopeNamespace
		if slices.Contains(clusterScopedKinds, kind.Kind) {
			scope = meta.RESTScopeRoot
		}
		mapper.Add(kind, scope)
	}
	return mapper
}
