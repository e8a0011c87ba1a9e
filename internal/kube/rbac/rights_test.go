package rbac_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
)

func rule(verbs, groups, resources string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: list(verbs), APIGroups: list(groups), Resources: list(resources), ResourceNames: names}
}

func grants(namespace string, rules ...rbacv1.PolicyRule) rbac.Rights {
	return rbac.Rights{Grants: []rbac.Grant{{Namespace: namespace, Binding: "b", Rules: rules}}}
}

func TestAllows(t *testing.T) {
	inShop := rbac.Request{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "db"}
	everywhere := rbac.Request{Verb: "list", Resource: "secrets"}
	exec := rbac.Request{Verb: "create", Resource: "pods/exec", Namespace: "shop", Name: "web-0"}
	tests := map[string]struct {
		rights rbac.Rights
		ask    rbac.Request
		want   bool
	}{
		"nothing":                              {ask: inShop},
		"plain":                                {rights: grants("", rule("get", "", "secrets")), ask: inShop, want: true},
		"another verb":                         {rights: grants("", rule("list", "", "secrets")), ask: inShop},
		"another group":                        {rights: grants("", rule("get", "apps", "secrets")), ask: inShop},
		"wildcards":                            {rights: grants("", rule("*", "*", "*")), ask: exec, want: true},
		"a namespace does not reach another":   {rights: grants("bank", rule("get", "", "secrets")), ask: inShop},
		"a namespace does not reach all":       {rights: grants("shop", rule("list", "", "secrets")), ask: everywhere},
		"by name":                              {rights: grants("shop", rule("get", "", "secrets", "db")), ask: inShop, want: true},
		"by another name":                      {rights: grants("shop", rule("get", "", "secrets", "dbx")), ask: inShop},
		"a list is not allowed by name":        {rights: grants("", rule("list", "", "secrets", "db")), ask: everywhere},
		"a resource is not its subresource":    {rights: grants("", rule("create", "", "pods")), ask: exec},
		"a subresource of all":                 {rights: grants("", rule("create", "", "*/exec")), ask: exec, want: true},
		"a path":                               {rights: grants("", rbacv1.PolicyRule{Verbs: list("get"), NonResourceURLs: list("/metrics/*")}), ask: rbac.Request{Verb: "get", Path: "/metrics/a"}, want: true},
		"another path":                         {rights: grants("", rbacv1.PolicyRule{Verbs: list("get"), NonResourceURLs: list("/metrics/*")}), ask: rbac.Request{Verb: "get", Path: "/logs"}},
		"a path is no resource":                {rights: grants("", rbacv1.PolicyRule{Verbs: list("get"), NonResourceURLs: list("*")}), ask: inShop},
		"resources are no path":                {rights: grants("", rule("*", "*", "*")), ask: rbac.Request{Verb: "get", Path: "/metrics"}},
		"system:masters":                       {rights: rbac.Rights{Unlimited: true}, ask: exec, want: true},
		"parts of a rule are not put together": {rights: grants("", rule("get", "", "pods"), rule("list", "", "secrets")), ask: inShop},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.rights.Allows(test.ask); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestEvaluateFindsEveryBinding(t *testing.T) {
	role := rbacv1.RoleRef{Kind: "ClusterRole", Name: "reader"}
	objects := func(subject rbacv1.Subject) rbac.Objects {
		return rbac.Objects{
			ClusterRoles:        []rbacv1.ClusterRole{{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: []rbacv1.PolicyRule{rule("get", "", "pods")}}},
			Roles:               []rbacv1.Role{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "reader"}, Rules: []rbacv1.PolicyRule{rule("get", "", "secrets")}}},
			ClusterRoleBindings: []rbacv1.ClusterRoleBinding{{ObjectMeta: metav1.ObjectMeta{Name: "c"}, RoleRef: role, Subjects: []rbacv1.Subject{subject}}},
			RoleBindings: []rbacv1.RoleBinding{
				{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "r"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "reader"}, Subjects: []rbacv1.Subject{subject}},
				{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "r"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "reader"}, Subjects: []rbacv1.Subject{subject}},
			},
		}
	}
	// The one in bank is of a Role that is not there.
	all := []string{"ClusterRoleBinding c", "RoleBinding shop/r"}
	tests := map[string]struct {
		subject rbacv1.Subject
		who     rbac.Subject
		want    []string
	}{
		"a ServiceAccount":            {subject: rbacv1.Subject{Kind: "ServiceAccount", Namespace: "shop", Name: "web"}, who: rbac.ServiceAccount("shop", "web"), want: all},
		"one of another namespace":    {subject: rbacv1.Subject{Kind: "ServiceAccount", Namespace: "bank", Name: "web"}, who: rbac.ServiceAccount("shop", "web")},
		"without a namespace":         {subject: rbacv1.Subject{Kind: "ServiceAccount", Name: "web"}, who: rbac.ServiceAccount("shop", "web"), want: []string{"RoleBinding shop/r"}},
		"by its user name":            {subject: rbacv1.Subject{Kind: "User", Name: "system:serviceaccount:shop:web"}, who: rbac.ServiceAccount("shop", "web"), want: all},
		"all of a namespace":          {subject: rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts:shop"}, who: rbac.ServiceAccount("shop", "web"), want: all},
		"all of another namespace":    {subject: rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts:bank"}, who: rbac.ServiceAccount("shop", "web")},
		"whoever is authenticated":    {subject: rbacv1.Subject{Kind: "Group", Name: "system:authenticated"}, who: rbac.User("alice"), want: all},
		"anonymous is not":            {subject: rbacv1.Subject{Kind: "Group", Name: "system:authenticated"}, who: rbac.User("system:anonymous")},
		"a user of that account name": {subject: rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts"}, who: rbac.User("system:serviceaccount:shop:web"), want: all},
		"a group is no user":          {subject: rbacv1.Subject{Kind: "User", Name: "devs"}, who: rbac.User("alice", "devs")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, g := range objects(test.subject).Evaluate(test.who).Grants {
				got = append(got, g.Binding)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMastersNeedNoBinding(t *testing.T) {
	if !(rbac.Objects{}).Evaluate(rbac.User("root", "system:masters")).Everything() {
		t.Error("a member of system:masters may do everything")
	}
}

// list splits comma-separated words; the empty text is the one empty word, which is the core API group.
func list(words string) []string { return strings.Split(words, ",") }
