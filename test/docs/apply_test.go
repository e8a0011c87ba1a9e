package docs

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/test/env"
)

const (
	system   = "tocsin-system"
	operator = "system:serviceaccount:tocsin-system:tocsin"
	tenant   = "soc"
)

var (
	shared    env.Shared
	installed sync.Once
)

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// cluster has the roles and the admission policies in force, and the tenant's namespace.
func cluster(t *testing.T) *env.Cluster {
	t.Helper()
	c := shared.Get(t)
	installed.Do(func() {
		create(t, c.Client, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}})
		for _, file := range []string{
			"config/manager/namespace.yaml", "config/manager/deployment.yaml", "config/rbac/service_account.yaml",
			"config/rbac/role.yaml", "config/rbac/role_binding.yaml", "config/rbac/people.yaml",
		} {
			for _, object := range manifests(t, file) {
				create(t, c.Client, object)
			}
		}
		enforce(t, c)
	})
	return c
}

// enforce installs the admission policies and waits until they hold.
func enforce(t *testing.T, c *env.Cluster) {
	t.Helper()
	rules, err := admission.Rules(system)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		create(t, c.Client, &rule.Policy)
		create(t, c.Client, &rule.Binding)
	}
	as := c.ClientAs(t, operator)
	prover, err := admission.New(as, as, system)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	if err := until(t, func(ctx context.Context) bool {
		_, last = prover.Since(ctx)
		return last == nil
	}); err != nil {
		t.Fatalf("the policies are not in force: %v", last)
	}
}

func until(t *testing.T, done func(context.Context) bool) error {
	t.Helper()
	return wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		return done(ctx), nil
	})
}

func create(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func manifests(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, document := range documents(t, string(raw)) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		objects = append(objects, object)
	}
	return objects
}

// TestExamplesApply creates every example as who may write it, with the role that
// its page names and no other.
func TestExamplesApply(t *testing.T) {
	c := cluster(t)
	for _, e := range examples(t) {
		t.Run(e.String(), func(t *testing.T) {
			user := writer(t, c, e)
			strict := client.WithFieldValidation(c.ClientAs(t, user), metav1.FieldValidationStrict)
			if err := strict.Create(t.Context(), e.DeepCopy()); err != nil {
				t.Errorf("as %s: %v", user, err)
			}
		})
	}
}

// writer is the user who may write an example, with the rights to do so.
func writer(t *testing.T, c *env.Cluster, e example) string {
	t.Helper()
	switch e.GetKind() {
	case "Alert", "Investigation":
		return operator
	case "ResponseAction":
		var action v1alpha1.ResponseAction
		e.into(t, &action)
		grant(t, c, action.Spec.RequestedBy, "tocsin-responder", creating("responseactions"))
		return action.Spec.RequestedBy
	case "Approval":
		var approval v1alpha1.Approval
		e.into(t, &approval)
		role := map[v1alpha1.Tier]string{v1alpha1.TierAnalyst: "tocsin-responder", v1alpha1.TierSenior: "tocsin-senior"}[approval.Spec.Tier]
		grant(t, c, approval.Spec.Approver, role, creating("approvals"), authorizationv1.ResourceAttributes{
			Verb: "approve", Group: v1alpha1.Group, Resource: "approvaltiers", Name: string(approval.Spec.Tier), Namespace: tenant,
		})
		return approval.Spec.Approver
	}
	grant(t, c, "editor", "tocsin-editor", creating("playbooks"))
	return "editor"
}

func creating(resource string) authorizationv1.ResourceAttributes {
	return authorizationv1.ResourceAttributes{Verb: "create", Group: v1alpha1.Group, Resource: resource, Namespace: tenant}
}

// grant binds a role in the tenant's namespace, and waits until the API server acts on it.
func grant(t *testing.T, c *env.Cluster, user, role string, allows ...authorizationv1.ResourceAttributes) {
	t.Helper()
	err := c.Client.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: strings.ReplaceAll(user, ":", "-") + "-" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	for _, what := range allows {
		if err := until(t, func(ctx context.Context) bool {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &what}}
			return c.Client.Create(ctx, review) == nil && review.Status.Allowed
		}); err != nil {
			t.Fatalf("%s may not %s %s: %v", user, what.Verb, what.Resource, err)
		}
	}
}

// TestOperationsExamples: the pod that copies the log may run in the operator's
// namespace. test/install applies the kustomization.
func TestOperationsExamples(t *testing.T) {
	c := cluster(t)
	var tried []string
	for _, b := range read(t, "docs/operations.md").blocks {
		if b.language != "yaml" {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(b.text), &object.Object); err != nil {
			t.Fatal(err)
		}
		tried = append(tried, object.GetKind())
		if object.GetKind() != "Pod" {
			continue
		}
		strict := client.WithFieldValidation(c.Client, metav1.FieldValidationStrict)
		if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(tried, []string{"Kustomization", "Pod"}) {
		t.Errorf("docs/operations.md shows %v", tried)
	}
}

// arguments of an operation as JSON.
func arguments(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal(raw, &values); err != nil {
		t.Fatal(err)
	}
	return values
}
