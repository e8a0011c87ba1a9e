package kubernetes_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/test/env"
)

const operator = "system:serviceaccount:tocsin-system:tocsin"

// extended is an API server that serves kinds of other projects.
var shared, extended env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(within{m})) }

// within runs the tests while both API servers do.
type within struct{ *testing.M }

func (w within) Run() int { return extended.Run(w.M) }

// world is a tenant's namespace on a real API server, with a ServiceAccount that
// holds the shipped roles and that the operator may act as, and nothing more.
type world struct {
	client.Client
	cluster   *env.Cluster
	namespace string
	operator  *rest.Config
}

// roles that the connector's ServiceAccount is bound to.
var allRoles = []string{"tocsin-connector-reader", "tocsin-connector-secret-counter", "tocsin-connector-responder", "tocsin-connector-deleter"}

func newWorld(t *testing.T, roles ...string) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	return newWorldIn(t, shared.Get(t), roles...)
}

func newWorldIn(t *testing.T, cluster *env.Cluster, roles ...string) *world {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-", Labels: map[string]string{"soc.tocsin.dev/criticality": "high"}}}
	w := &world{Client: cluster.Client, cluster: cluster}
	w.create(t, namespace)
	w.namespace = namespace.Name
	w.operator = cluster.As(t, operator, "system:serviceaccounts", "system:serviceaccounts:tocsin-system", "system:authenticated")
	w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "connector"}})
	w.handOver(t)
	w.shippedRoles(t)
	w.inForce(t, operator, authorizationv1.ResourceAttributes{Verb: "impersonate", Resource: "serviceaccounts", Namespace: w.namespace, Name: "connector"})
	for _, role := range roles {
		w.bind(t, "connector-"+role+"-"+w.namespace, role, w.namespace, "connector")
		w.inForce(t, "system:serviceaccount:"+w.namespace+":connector", sampleRights[role])
	}
	return w
}

// sampleRights are one that each role gives, and none of the others.
var sampleRights = map[string]authorizationv1.ResourceAttributes{
	"tocsin-connector-reader":         {Verb: "list", Group: rbacv1.GroupName, Resource: "roles"},
	"tocsin-connector-secret-counter": {Verb: "list", Resource: "secrets"},
	"tocsin-connector-deleter":        {Verb: "delete", Group: "batch", Resource: "jobs"},
	"tocsin-connector-examiner":       {Verb: "create", Resource: "pods", Subresource: "exec"},
	"tocsin-connector-admission":      {Verb: "create", Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicies"},
	"tocsin-connector-token-secrets":  {Verb: "delete", Resource: "secrets"},
	"tocsin-connector-responder":      {Verb: "create", Group: "networking.k8s.io", Resource: "networkpolicies"},
}

// inForce waits until the authorizer has heard of a right.
func (w *world) inForce(t *testing.T, user string, right authorizationv1.ResourceAttributes) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &right}}
		err := w.Create(ctx, review)
		return review.Status.Allowed, err
	})
	if err != nil {
		t.Fatalf("%s may not %s %s: %v", user, right.Verb, right.Resource, err)
	}
}

// handOver is the Role that the connector's Check asks for.
func (w *world) handOver(t *testing.T) {
	w.create(t, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tocsin-acts-as-connector"},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"impersonate"}, ResourceNames: []string{"connector"},
		}},
	})
	w.create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tocsin-acts-as-connector"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tocsin-acts-as-connector"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "tocsin-system", Name: "tocsin"}},
	})
}

// shippedRoles are those of config/rbac, so that they are tested too.
func (w *world) shippedRoles(t *testing.T) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "connector-roles.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(raw), "\n---\n") {
		role := &rbacv1.ClusterRole{}
		if err := yaml.UnmarshalStrict([]byte(document), role); err != nil {
			t.Fatal(err)
		}
		if err := w.Create(t.Context(), role); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
}

// bind gives a ClusterRole to a ServiceAccount everywhere, until the test ends.
func (w *world) bind(t *testing.T, name, role, namespace, account string) *rbacv1.ClusterRoleBinding {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: account}},
	}
	w.create(t, binding)
	return binding
}

// create makes an object that is deleted when the test ends.
func (w *world) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := w.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
	t.Cleanup(func() { w.delete(t, object) })
}

func (w *world) delete(t *testing.T, object client.Object) {
	t.Helper()
	// The test's own context has ended by the time of its clean-up.
	err := w.Delete(context.Background(), object, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		t.Errorf("deleting %T %s: %v", object, object.GetName(), err)
	}
}

func (w *world) connector(t *testing.T, options kubernetes.Options) *kubernetes.Connector {
	t.Helper()
	c, err := kubernetes.New(w.operator, w.namespace, "connector", options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// podSpec is the least that the API server accepts.
func podSpec() corev1.PodSpec {
	return corev1.PodSpec{ServiceAccountName: "web", Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1"}}}
}

func (w *world) pod(name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: labels}, Spec: podSpec()}
}

// snapshot is the objects as JSON, without what varies by itself; uid says whether that counts.
func (w *world) snapshot(t *testing.T, withUID bool, lists ...string) []byte {
	t.Helper()
	var all []any
	for _, list := range lists {
		apiVersion, kind, _ := strings.Cut(list, " ")
		found := &unstructured.UnstructuredList{}
		found.SetAPIVersion(apiVersion)
		found.SetKind(kind + "List")
		if err := w.List(t.Context(), found, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		for _, item := range found.Items {
			for _, field := range volatile(withUID) {
				unstructured.RemoveNestedField(item.Object, "metadata", field)
			}
			all = append(all, item.Object)
		}
	}
	raw, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func volatile(withUID bool) []string {
	fields := []string{"managedFields", "resourceVersion", "generation"}
	if !withUID {
		fields = append(fields, "uid", "creationTimestamp")
	}
	return fields
}
