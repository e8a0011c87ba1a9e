package story_test

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// A GitOps controller that rolls out an application with a role binding of its
// own does what an attacker does, and its case closes by itself.
func TestBenignTwin(t *testing.T) {
	c := cluster(t)
	s := openTenant(t, c, startOperator(t, c), "twin")
	s.deliver("audit", auditToken, eventList(t, s.rollOut()...))

	dismissed := s.theCase(1, v1alpha1.BenignPositive)
	eventually(t, "the case to close by itself", func(ctx context.Context) (bool, string) {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(dismissed), dismissed); err != nil {
			return false, err.Error()
		}
		closed := meta.FindStatusCondition(dismissed.Status.Conditions, v1alpha1.ConditionClosed)
		return closed != nil && closed.Status == metav1.ConditionTrue && closed.Reason == v1alpha1.ReasonClosedByAnalyst, fmt.Sprint(closed)
	})
	if len(dismissed.Status.Actions) != 0 {
		t.Errorf("a benign case has the actions %v", dismissed.Status.Actions)
	}
	exculpates := func(e v1alpha1.Evidence) bool { return e.Weight < 0 && e.Provenance == v1alpha1.ProvenanceTrusted }
	trusted := 0
	for _, e := range dismissed.Status.Evidence {
		if exculpates(e) {
			trusted++
		}
	}
	if trusted == 0 {
		t.Errorf("closed without trusted evidence that lowers suspicion: %+v", dismissed.Status.Evidence)
	}
	s.operator.stop()
	s.audited(t, 0)
}

// rollOut does what a GitOps controller does on any day, and returns what the API
// server logs of it.
func (s *tenant) rollOut() []request {
	s.t.Helper()
	gitops, catalog := "gitops-"+s.namespace, "catalog-"+s.namespace
	for _, name := range []string{gitops, catalog} {
		s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	here := metav1.ObjectMeta{Namespace: catalog, Name: "catalog"}
	deployment := &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: here,
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "catalog"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "catalog"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "catalog", Image: "registry.example/catalog/catalog:2.0.0"}}},
			},
		},
	}
	binding := &rbacv1.RoleBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"}, ObjectMeta: here,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: catalog, Name: "catalog-operator"}},
	}
	requests := []request{
		{ref: auditv1.ObjectReference{Resource: "deployments", APIGroup: "apps"}, object: deployment.DeepCopy()},
		{ref: auditv1.ObjectReference{Resource: "rolebindings", APIGroup: rbacv1.GroupName}, object: binding.DeepCopy()},
	}
	for i := range requests {
		r := &requests[i]
		r.namespace, r.account, r.verb = gitops, "deployer", "patch"
		r.ref.Namespace, r.ref.Name, r.ref.APIVersion = catalog, here.Name, "v1"
	}
	s.create(deployment)
	s.create(binding)
	return requests
}
