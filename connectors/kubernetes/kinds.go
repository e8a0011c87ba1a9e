package kubernetes

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// apiVersions of the kinds that actions know by kind alone.
var apiVersions = map[string]string{
	"Pod":                corev1.SchemeGroupVersion.String(),
	"Namespace":          corev1.SchemeGroupVersion.String(),
	"Node":               corev1.SchemeGroupVersion.String(),
	"ServiceAccount":     corev1.SchemeGroupVersion.String(),
	"Deployment":         appsv1.SchemeGroupVersion.String(),
	"StatefulSet":        appsv1.SchemeGroupVersion.String(),
	"DaemonSet":          appsv1.SchemeGroupVersion.String(),
	"ReplicaSet":         appsv1.SchemeGroupVersion.String(),
	"ControllerRevision": appsv1.SchemeGroupVersion.String(),
	"Job":                batchv1.SchemeGroupVersion.String(),
	"CronJob":            batchv1.SchemeGroupVersion.String(),
	"Ingress":            networkingv1.SchemeGroupVersion.String(),
	"NetworkPolicy":      networkingv1.SchemeGroupVersion.String(),
	"Service":            corev1.SchemeGroupVersion.String(),

	"MutatingWebhookConfiguration":   admissionv1.SchemeGroupVersion.String(),
	"ValidatingWebhookConfiguration": admissionv1.SchemeGroupVersion.String(),

	"RoleBinding":        rbacv1.SchemeGroupVersion.String(),
	"ClusterRoleBinding": rbacv1.SchemeGroupVersion.String(),
}

// object names an object in the arguments of an operation. UID is set in
// inverses only: they are for the very object that was changed.
type object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

func (o object) target() v1alpha1.TargetReference {
	return v1alpha1.TargetReference{APIVersion: apiVersions[o.Kind], Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID}
}

// named is the object that a target is, as an inverse names it.
func named(target v1alpha1.TargetReference) object {
	return object{Kind: target.Kind, Namespace: target.Namespace, Name: target.Name, UID: target.UID}
}

func pod(namespacedName, uid string) v1alpha1.TargetReference {
	namespace, name := split(namespacedName)
	return object{Kind: "Pod", Namespace: namespace, Name: name, UID: uid}.target()
}
