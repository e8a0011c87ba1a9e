package kubernetes_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

func TestConformance(t *testing.T) {
	w := newWorldWithExtras(t, append(allRoles, admissionRole, tokenSecretsRole)...)
	archive := &shelf{}
	conformance.Run(t, conformance.Subject{
		Connector: w.connector(t, kubernetes.Options{Archive: archive}),
		Questions: w.questions(t),
		Actions: append(w.network(t, networkPolicies, "cilium.io/v2 CiliumNetworkPolicy"),
			w.label(t), w.labelNamespace(), w.deletePod(t),
			w.removeRoleBinding(t), w.removeClusterRoleBinding(t), w.scaleToZero(t), w.cordon(t),
			w.annotate(t), w.captureEvidence(t, archive), w.drain(t), w.evictPod(t), w.restartWorkload(t), w.rollbackDeployment(t), w.rollbackStatefulSet(t),
			w.suspendCronJob(t), w.taintNode(t), w.deleteCronJob(t), w.deleteJob(t), w.deleteService(t), w.deleteWebhook(t),
			w.revokeServiceAccount(t),
			w.bans(t, "lock-identity", "user", "mallory"), w.lockServiceAccount(t),
			w.bans(t, "block-image", "repository", "docker.io/mallory/miner"),
		),
	})
}

func (w *world) questions(t *testing.T) []conformance.Question {
	w.create(t, w.pod("asked", map[string]string{"app": "asked"}))
	binding := w.bind(t, "asked-"+w.namespace, "view", w.namespace, "asked")
	w.create(t, w.owned("reported", func(*corev1.PodSpec) {}))
	w.object(t, trivyReport, "")
	w.object(t, `{apiVersion: wgpolicyk8s.io/v1alpha2, kind: PolicyReport, metadata: {namespace: NAMESPACE, name: a}, results: [
		{policy: a, result: fail, resources: [{kind: Pod, namespace: NAMESPACE, name: reported}]}]}`, "")
	nothing := args("pod", w.namespace+"/gone")
	return []conformance.Question{
		{Name: "vulnerabilities", Arguments: args("pod", w.namespace+"/reported"), Nothing: args("pod", w.namespace+"/asked")},
		{Name: "policy-reports", Arguments: args("pod", w.namespace+"/reported"), Nothing: args("pod", w.namespace+"/asked")},
		{Name: "network-rules", Arguments: args("pod", w.namespace+"/asked"), Nothing: nothing},
		{Name: "describe-workload", Arguments: args("pod", w.namespace+"/asked"), Nothing: nothing},
		{Name: "describe-workload", Arguments: args("serviceAccount", w.namespace+"/web"), Nothing: args("serviceAccount", w.namespace+"/idle")},
		{Name: "permissions", Arguments: args("serviceAccount", w.namespace+"/asked")},
		{Name: "permissions", Arguments: args("user", "alice", "groups", []any{"devs"})},
		{
			Name: "describe-binding", Arguments: args("kind", "ClusterRoleBinding", "name", binding.Name, "actor", w.namespace+"/asked"),
			Nothing: args("kind", "RoleBinding", "namespace", w.namespace, "name", "gone"),
		},
		{
			Name: "describe-object", Arguments: args("apiVersion", "v1", "kind", "Pod", "namespace", w.namespace, "name", "asked"),
			Nothing: args("apiVersion", "apps/v1", "kind", "Deployment", "namespace", w.namespace, "name", "gone"),
		},
	}
}

func args(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// action makes an example whose object is made anew before each test.
func (w *world) action(t *testing.T, operation string, arguments map[string]any, fresh func() client.Object, withUID bool, lists ...string) conformance.Action {
	t.Cleanup(func() { w.delete(t, fresh()) })
	return conformance.Action{
		Request:  connectors.Request{Operation: operation, Arguments: arguments, Key: "key-1"},
		Snapshot: func(t *testing.T) []byte { return w.snapshot(t, withUID, lists...) },
		Prepare: func(t *testing.T) {
			w.delete(t, fresh())
			if err := w.Create(t.Context(), fresh()); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (w *world) label(t *testing.T) conformance.Action {
	fresh := func() client.Object {
		return w.pod("labelled", map[string]string{"app": "web", "soc.tocsin.dev/case": "older"})
	}
	return w.action(t, "label", args("kind", "Pod", "namespace", w.namespace, "name", "labelled",
		"labels", map[string]any{"soc.tocsin.dev/case": "shop-7f3a", "soc.tocsin.dev/suspect": "true"}), fresh, true, "v1 Pod")
}

// A namespace cannot be made anew here, since nothing ends its deletion.
func (w *world) labelNamespace() conformance.Action {
	return conformance.Action{
		Request: connectors.Request{Operation: "label", Key: "key-1",
			Arguments: args("kind", "Namespace", "name", w.namespace, "labels", map[string]any{"soc.tocsin.dev/case": "shop-7f3a"})},
		Snapshot: func(t *testing.T) []byte { return w.snapshot(t, true, "v1 Namespace") },
		Prepare: func(t *testing.T) {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"labels": {"soc.tocsin.dev/case": null}}}`))
			if err := w.Patch(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, patch); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (w *world) deletePod(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.pod("deleted", nil) }
	return w.action(t, "delete-pod", args("pod", w.namespace+"/deleted"), fresh, true, "v1 Pod")
}

func (w *world) removeRoleBinding(t *testing.T) conformance.Action {
	fresh := func() client.Object {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "removed", Labels: map[string]string{"team": "shop"}, Annotations: map[string]string{"why": "said so"}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tocsin-connector-reader"},
			Subjects: []rbacv1.Subject{
				{Kind: "ServiceAccount", Namespace: w.namespace, Name: "web"},
				{APIGroup: rbacv1.GroupName, Kind: "User", Name: "eve\n<script>"},
			},
		}
	}
	return w.action(t, "remove-role-binding", args("kind", "RoleBinding", "namespace", w.namespace, "name", "removed"),
		fresh, false, "rbac.authorization.k8s.io/v1 RoleBinding")
}

func (w *world) removeClusterRoleBinding(t *testing.T) conformance.Action {
	binding := "ops:sync-" + w.namespace
	fresh := func() client.Object {
		return &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: binding},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tocsin-connector-reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: "web"}},
		}
	}
	return w.action(t, "remove-role-binding", args("kind", "ClusterRoleBinding", "name", binding),
		fresh, false, "rbac.authorization.k8s.io/v1 ClusterRoleBinding")
}

func (w *world) scaleToZero(t *testing.T) conformance.Action {
	three := int32(3)
	fresh := func() client.Object {
		selector := map[string]string{"app": "scaled"}
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "scaled"},
			Spec: appsv1.DeploymentSpec{
				Replicas: &three, Selector: &metav1.LabelSelector{MatchLabels: selector},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: podSpec()},
			},
		}
	}
	return w.action(t, "scale-to-zero", args("kind", "Deployment", "namespace", w.namespace, "name", "scaled"), fresh, true, "apps/v1 Deployment")
}

func (w *world) lockServiceAccount(t *testing.T) conformance.Action {
	w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "locked"}})
	return w.bans(t, "lock-identity", "serviceAccount", w.namespace+"/locked")
}

func (w *world) cordon(t *testing.T) conformance.Action {
	node := "node-" + w.namespace
	fresh := func() client.Object { return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}} }
	return w.action(t, "cordon", args("node", node), fresh, true, "v1 Node")
}
