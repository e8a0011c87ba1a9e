package rbac_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
)

// prizes are identities and roles worth taking over.
func prizes() rbac.Objects {
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	account := func(namespace, name string) []rbacv1.Subject {
		return []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: name}}
	}
	role := func(kind, name string) rbacv1.RoleRef { return rbacv1.RoleRef{Kind: kind, Name: name} }
	return rbac.Objects{
		ClusterRoles: []rbacv1.ClusterRole{
			{ObjectMeta: meta("", "cluster-admin"), Rules: []rbacv1.PolicyRule{rule("*", "*", "*")}},
			{ObjectMeta: meta("", "pods"), Rules: []rbacv1.PolicyRule{rule("create", "", "pods")}},
			{ObjectMeta: meta("", "reader"), Rules: []rbacv1.PolicyRule{rule("get", "", "secrets")}},
			{ObjectMeta: meta("", "empty")},
		},
		Roles: []rbacv1.Role{{ObjectMeta: meta("bank", "teller"), Rules: []rbacv1.PolicyRule{rule("get", "", "secrets", "ledger")}}},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			{ObjectMeta: meta("", "admin"), RoleRef: role("ClusterRole", "cluster-admin"), Subjects: account("ops", "deployer")},
			{ObjectMeta: meta("", "people"), RoleRef: role("ClusterRole", "cluster-admin"), Subjects: []rbacv1.Subject{{Kind: "User", Name: "alice"}, {Kind: "Group", Name: "admins"}}},
			{ObjectMeta: meta("", "gone"), RoleRef: role("ClusterRole", "gone"), Subjects: account("shop", "nothing")},
		},
		RoleBindings: []rbacv1.RoleBinding{
			{ObjectMeta: meta("ops", "pods"), RoleRef: role("ClusterRole", "pods"), Subjects: account("shop", "runner")},
			{ObjectMeta: meta("bank", "teller"), RoleRef: role("Role", "teller"), Subjects: account("bank", "teller")},
			{ObjectMeta: meta("bank", "all"), RoleRef: role("ClusterRole", "reader"), Subjects: []rbacv1.Subject{{Kind: "Group", Name: "system:serviceaccounts:shop"}}},
		},
	}
}

func TestSpread(t *testing.T) {
	const group = rbacv1.GroupName
	tests := map[string]struct {
		rights rbac.Rights
		want   []string
		admin  bool
	}{
		"reading gives nobody":                     {rights: grants("", rule("get,list,watch", "*", "*"))},
		"a pod is whoever it runs as":              {rights: grants("bank", rule("create", "", "pods")), want: []string{"ServiceAccount bank/teller by a pod of its own"}},
		"what is granted to all of a namespace":    {rights: grants("shop", rule("update", "batch", "cronjobs")), want: []string{"ServiceAccount shop/runner by a pod of its own", "ServiceAccount ops/deployer by a pod of its own"}, admin: true},
		"a pod where nobody has rights":            {rights: grants("empty", rule("create", "", "pods"))},
		"one token":                                {rights: grants("bank", rule("create", "", "serviceaccounts/token", "teller")), want: []string{"ServiceAccount bank/teller by asking for its token"}},
		"another token":                            {rights: grants("bank", rule("create", "", "serviceaccounts/token", "other"))},
		"impersonation of an account":              {rights: grants("ops", rule("impersonate", "", "serviceaccounts")), want: []string{"ServiceAccount ops/deployer by impersonation"}, admin: true},
		"impersonation of a user":                  {rights: grants("", rule("impersonate", "", "users", "alice")), want: []string{"User alice by impersonation"}, admin: true},
		"a group needs somebody in it":             {rights: grants("", rule("impersonate", "", "groups"))},
		"impersonation of a group":                 {rights: grants("", rule("impersonate", "", "users,groups", "admins", "nobody")), want: []string{"Group admins by impersonation"}, admin: true},
		"impersonation of system:masters":          {rights: grants("", rule("impersonate", "", "users,groups")), want: []string{"Group system:masters by impersonation"}, admin: true},
		"bind alone makes no binding":              {rights: grants("", rule("bind", group, "clusterroles"))},
		"binding a role everywhere":                {rights: grants("", rule("bind", group, "clusterroles", "reader"), rule("create", group, "clusterrolebindings")), want: []string{"ClusterRole reader by binding it"}},
		"binding any role":                         {rights: grants("", rule("bind", group, "clusterroles"), rule("create", group, "clusterrolebindings")), want: []string{"ClusterRole cluster-admin by binding it"}, admin: true},
		"binding a role of a namespace":            {rights: grants("bank", rule("bind", group, "roles"), rule("patch", group, "rolebindings")), want: []string{"Role bank/teller by binding it"}},
		"binding a ClusterRole in a namespace":     {rights: grants("bank", rule("bind", group, "clusterroles", "reader"), rule("create", group, "rolebindings")), want: []string{"ClusterRole reader in namespace bank by binding it"}},
		"escalate":                                 {rights: grants("", rule("escalate,patch", group, "clusterroles")), want: []string{"any ClusterRole by escalate"}, admin: true},
		"escalate without writing roles":           {rights: grants("", rule("escalate,get", group, "clusterroles"))},
		"escalate in a namespace":                  {rights: grants("bank", rule("escalate,update", group, "roles")), want: []string{"any Role in namespace bank by escalate"}},
		"escalate where it has everything already": {rights: grants("bank", rule("*", "*", "*"))},
		"cluster-admin needs nobody":               {rights: grants("", rule("*", "*", "*")), admin: true},
		"a chain": {
			rights: grants("shop", rule("create", "", "serviceaccounts/token", "runner")), admin: true,
			want: []string{"ServiceAccount shop/runner by asking for its token", "ServiceAccount ops/deployer by a pod of its own"},
		},
	}
	namespaces := []rbac.Namespace{{Name: "shop"}, {Name: "bank"}, {Name: "ops"}, {Name: "empty"}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spread, thefts := prizes().Spread(tt.rights, namespaces)
			var got []string
			for _, theft := range thefts {
				got = append(got, theft.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("thefts (-want +got):\n%s", diff)
			}
			if spread.Everything() != tt.admin {
				t.Errorf("everything in the end: %t, want %t", spread.Everything(), tt.admin)
			}
			reach := prizes().Reach(tt.rights, rbac.Inventory{Namespaces: namespaces, Namespaced: func(string, string) bool { return true }})
			if direct := tt.rights.Everything(); reach.BecomesClusterAdmin != (tt.admin && !direct) || reach.ClusterAdmin != direct {
				t.Errorf("the reach says %+v", reach)
			}
		})
	}
}

// Spreading grants nothing to the rights it starts from.
func TestSpreadLeavesRightsAlone(t *testing.T) {
	rights := grants("shop", rule("create", "", "pods"))
	before := len(rights.Grants)
	prizes().Spread(rights, []rbac.Namespace{{Name: "shop"}})
	if len(rights.Grants) != before || rights.Everything() {
		t.Errorf("the rights grew: %+v", rights)
	}
}

// BenchmarkSpread: a large cluster in which nobody but the actor can go further.
func BenchmarkSpread(b *testing.B) {
	var o rbac.Objects
	var namespaces []rbac.Namespace
	for i := range 1000 {
		name := fmt.Sprint("n", i)
		namespaces = append(namespaces, rbac.Namespace{Name: name})
		o.Roles = append(o.Roles, rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "r"}, Rules: []rbacv1.PolicyRule{rule("get", "", "configmaps"), rule("update", "", "leases", name)}})
		o.RoleBindings = append(o.RoleBindings, rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "b"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "r"},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: name, Name: "web"}},
		})
	}
	rights := grants("", rule("create", "", "pods"))
	for b.Loop() {
		if _, thefts := o.Spread(rights, namespaces); len(thefts) != 1000 {
			b.Fatal(len(thefts))
		}
	}
}
