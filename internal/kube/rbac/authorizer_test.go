package rbac_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// The evaluator and the API server's authorizer must agree on every question.
func TestAgreesWithTheAuthorizer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	api := shared.Get(t).Client
	for _, object := range cluster() {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	for subject, question := range lastToHold() {
		inForce(t, api, rbac.User(subject), question)
	}
	objects := collect(t, api)
	subjects := []rbac.Subject{
		rbac.ServiceAccount("shop", "web"), rbac.ServiceAccount("shop", "ops"), rbac.User("alice", "devs"),
		rbac.User("system:anonymous"), rbac.User("root", "system:masters"), rbac.User("system:serviceaccount:shop:named"),
		rbac.ServiceAccount("kube-system", "daemon-set-controller"),
	}
	asked, allowed := 0, 0
	for _, subject := range subjects {
		rights := objects.Evaluate(subject)
		for _, question := range questions() {
			got, want := rights.Allows(question), authorized(t, api, subject, question)
			if got != want {
				t.Errorf("%s: %+v: got %t, the API server says %t", subject.User, question, got, want)
			}
			asked++
			if want {
				allowed++
			}
		}
	}
	if allowed == 0 || allowed == asked {
		t.Errorf("%d of %d questions are allowed: the matrix tells nothing", allowed, asked)
	}
}

func cluster() []client.Object {
	account := func(namespace, name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: name}
	}
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	ref := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	return []client.Object{
		&corev1.Namespace{ObjectMeta: meta("", "shop")}, &corev1.Namespace{ObjectMeta: meta("", "bank")},
		&rbacv1.ClusterRole{ObjectMeta: meta("", "ops"), Rules: []rbacv1.PolicyRule{
			rule("get,list", "", "secrets,pods/log"), rule("*", "apps", "*"), rule("create", "", "*/exec"),
			rule("impersonate", "", "users", "alice"), rule("get", "", "nodes/proxy", "n1"),
			{Verbs: list("get"), NonResourceURLs: list("/metrics,/logs/*")},
		}},
		&rbacv1.Role{ObjectMeta: meta("shop", "by-name"), Rules: []rbacv1.PolicyRule{
			rule("get,delete", "", "secrets", "db"), rule("create", "", "serviceaccounts/token", "ops"), rule("bind,escalate", rbacv1.GroupName, "roles"),
		}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta("", "ops"), RoleRef: ref("ClusterRole", "ops"), Subjects: []rbacv1.Subject{
			account("shop", "ops"), {APIGroup: rbacv1.GroupName, Kind: "Group", Name: "devs"},
		}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta("", "dangling"), RoleRef: ref("ClusterRole", "gone"), Subjects: []rbacv1.Subject{account("bank", "web")}},
		&rbacv1.RoleBinding{ObjectMeta: meta("shop", "web"), RoleRef: ref("Role", "by-name"), Subjects: []rbacv1.Subject{
			account("shop", "web"), {APIGroup: rbacv1.GroupName, Kind: "User", Name: "system:serviceaccount:shop:named"},
		}},
		// No controller aggregates edit here, so it is bound by its part.
		&rbacv1.RoleBinding{ObjectMeta: meta("bank", "edit"), RoleRef: ref("ClusterRole", "system:aggregate-to-edit"), Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:serviceaccounts:shop"},
		}},
	}
}

// lastToHold are allowed once the authorizer has heard of all that cluster creates.
func lastToHold() map[string]rbac.Request {
	return map[string]rbac.Request{
		"system:serviceaccount:shop:ops":   {Verb: "get", Path: "/metrics"},
		"system:serviceaccount:shop:named": {Verb: "get", Resource: "secrets", Namespace: "shop", Name: "db"},
		"system:serviceaccount:shop:other": {Verb: "get", Resource: "secrets", Namespace: "bank"},
	}
}

func inForce(t *testing.T, api client.Client, s rbac.Subject, q rbac.Request) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return authorized(t, api, s, q), nil
	})
	if err != nil {
		t.Fatalf("%s: %+v: %v", s.User, q, err)
	}
}

func questions() []rbac.Request {
	var all []rbac.Request
	resources := []struct{ group, resource, name string }{
		{"", "secrets", "db"}, {"", "secrets", "tls"}, {"", "pods", "web-0"}, {"", "pods/exec", "web-0"}, {"", "pods/log", "web-0"},
		{"", "serviceaccounts/token", "ops"}, {"", "nodes/proxy", "n1"}, {"", "users", "alice"}, {"apps", "deployments", "web"},
		{"apps", "deployments/scale", "web"}, {rbacv1.GroupName, "roles", "r"}, {"authorization.k8s.io", "selfsubjectaccessreviews", "x"},
		{"example.com", "secrets", "db"},
	}
	for _, verb := range []string{"get", "list", "create", "delete", "impersonate", "bind", "*"} {
		for _, r := range resources {
			for _, namespace := range []string{"", "shop", "bank"} {
				for _, name := range []string{"", r.name} {
					all = append(all, rbac.Request{Verb: verb, Group: r.group, Resource: r.resource, Namespace: namespace, Name: name})
				}
			}
		}
		for _, path := range []string{"/metrics", "/metrics/a", "/logs/a", "/healthz", "/version"} {
			all = append(all, rbac.Request{Verb: verb, Path: path})
		}
	}
	return all
}

func collect(t *testing.T, api client.Client) rbac.Objects {
	t.Helper()
	var (
		clusterRoles        rbacv1.ClusterRoleList
		roles               rbacv1.RoleList
		clusterRoleBindings rbacv1.ClusterRoleBindingList
		roleBindings        rbacv1.RoleBindingList
	)
	for _, into := range []client.ObjectList{&clusterRoles, &roles, &clusterRoleBindings, &roleBindings} {
		if err := api.List(t.Context(), into); err != nil {
			t.Fatal(err)
		}
	}
	return rbac.Objects{
		ClusterRoles: clusterRoles.Items, Roles: roles.Items,
		ClusterRoleBindings: clusterRoleBindings.Items, RoleBindings: roleBindings.Items,
	}
}

func authorized(t *testing.T, api client.Client, s rbac.Subject, q rbac.Request) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: s.User, Groups: s.Groups}}
	if q.Path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: q.Path, Verb: q.Verb}
	} else {
		resource, subresource, _ := strings.Cut(q.Resource, "/")
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: q.Verb, Group: q.Group, Resource: resource, Subresource: subresource, Namespace: q.Namespace, Name: q.Name,
		}
	}
	if err := api.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}
