package install_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/test/env"
)

// person is somebody with a certificate, and with roles that are bound
// cluster-wide until the test ends.
func person(t *testing.T, c *env.Cluster, user string, roles ...string) client.Client {
	t.Helper()
	var bindings []client.Object
	for _, role := range roles {
		binding := clusterRoleBinding(role, user)
		if err := c.Client.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		bindings = append(bindings, binding)
	}
	settle(t, c)
	t.Cleanup(func() {
		for _, binding := range bindings {
			if err := c.Client.Delete(context.Background(), binding); err != nil {
				t.Error(err)
			}
		}
		settle(t, c)
	})
	return c.ClientAs(t, user)
}

func clusterRoleBinding(role, user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}

var markers atomic.Int64

// settle waits until the API server acts on every ClusterRoleBinding so far: it
// learns of them in order, so that one more tells.
func settle(t *testing.T, c *env.Cluster) {
	t.Helper()
	ctx := context.Background()
	user := fmt.Sprintf("marker-%d", markers.Add(1))
	binding := clusterRoleBinding("cluster-admin", user)
	if err := c.Client.Create(ctx, binding); err != nil {
		t.Fatal(err)
	}
	waitUntilAllowed(t, c, user, authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"})
	if err := c.Client.Delete(ctx, binding); err != nil {
		t.Fatal(err)
	}
}

func waitUntilAllowed(t *testing.T, c *env.Cluster, user string, what authorizationv1.ResourceAttributes) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(context.Background(), 5*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &what}}
		err := c.Client.Create(ctx, review)
		return review.Status.Allowed, err
	}); err != nil {
		t.Fatalf("waiting until %s may %s %s: %v", user, what.Verb, what.Resource, err)
	}
}

// grantInNamespace binds a role to a user in one namespace.
func grantInNamespace(t *testing.T, c *env.Cluster, namespace, role, user string) {
	t.Helper()
	everywhere := clusterRoleBinding(role, user)
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: namespace},
		RoleRef:    everywhere.RoleRef,
		Subjects:   everywhere.Subjects,
	}
	if err := c.Client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
}
