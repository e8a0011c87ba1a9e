package rbac_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
)

func inventory() rbac.Inventory {
	return rbac.Inventory{
		Namespaces: []rbac.Namespace{{Name: "shop"}, {Name: "bank", Criticality: "critical"}, {Name: "safe", Restricted: true}},
		Secrets:    map[string][]string{"shop": {"db", "tls"}, "bank": {"ledger"}},
		Pods:       map[string][]string{"shop": {"web-0", "web-1"}, "bank": {"ledger-0"}},
		Nodes:      []string{"n1", "n2", "n3"},
		Namespaced: func(_, resource string) bool { return resource != "nodes" },
	}
}

func TestReach(t *testing.T) {
	const rbacGroup = "rbac.authorization.k8s.io"
	tests := map[string]struct {
		rights rbac.Rights
		want   rbac.Reach
	}{
		"nothing": {want: rbac.Reach{Worst: []string{}, Bindings: []string{}}},
		"questions to the authorizer change nothing": {
			rights: grants("", rule("create", "authorization.k8s.io", "selfsubjectaccessreviews")),
			want:   rbac.Reach{Worst: []string{}, Bindings: []string{"b"}},
		},
		"reading alone": {
			rights: grants("", rule("get,list,watch", ",apps", "pods,deployments")),
			want:   rbac.Reach{Worst: []string{}, Bindings: []string{"b"}},
		},
		"a change of what lives in no namespace": {
			rights: grants("", rule("patch", "", "nodes/status")),
			want:   rbac.Reach{Worst: []string{}, Bindings: []string{"b"}},
		},
		"everything": {
			rights: grants("", rule("*", "*", "*")),
			want: rbac.Reach{
				ClusterAdmin: true, SecretsReadable: 3, Namespaces: 3, PodsExec: 3, Nodes: 3,
				CanEscalate: true, CanBind: true, CanImpersonate: true, CanCreatePods: true, CanRequestTokens: true,
				Worst: []string{
					"everything: cluster-admin", "acts as others by impersonation", "gives itself any right (escalate)",
					"binds itself to roles that hold more (bind)", "3 of 3 nodes", "tokens of other ServiceAccounts",
					"Secrets in bank (critical, 1), shop (2)", "commands in pods of bank (critical, 1), shop (2)",
				},
				Bindings: []string{"b"},
			},
		},
		"everything in a namespace is not cluster-admin, but its nodes": {
			rights: grants("shop", rule("*", "*", "*")),
			want: rbac.Reach{
				SecretsReadable: 2, Namespaces: 1, PodsExec: 2, Nodes: 3,
				CanEscalate: true, CanBind: true, CanImpersonate: true, CanCreatePods: true, CanRequestTokens: true,
				Worst: []string{
					"acts as others by impersonation", "gives itself any right (escalate)", "binds itself to roles that hold more (bind)",
					"3 of 3 nodes", "tokens of other ServiceAccounts", "Secrets in shop (2)", "commands in pods of shop (2)",
				},
				Bindings: []string{"b"},
			},
		},
		"one Secret by name": {
			rights: grants("shop", rule("get", "", "secrets", "db", "gone")),
			want:   rbac.Reach{SecretsReadable: 1, Namespaces: 1, Worst: []string{"Secrets in shop (1)"}, Bindings: []string{"b"}},
		},
		"listing Secrets reads them": {
			rights: grants("bank", rule("list", "", "secrets")),
			want:   rbac.Reach{SecretsReadable: 1, Namespaces: 1, Worst: []string{"Secrets in bank (critical, 1)"}, Bindings: []string{"b"}},
		},
		"pods where Pod Security keeps them off the node": {
			rights: grants("safe", rule("create", "", "pods")),
			want:   rbac.Reach{Namespaces: 1, CanCreatePods: true, Worst: []string{}, Bindings: []string{"b"}},
		},
		"a workload is as good as a pod": {
			rights: grants("shop", rule("patch", "apps", "deployments", "web")),
			want:   rbac.Reach{Namespaces: 1, CanCreatePods: true, Nodes: 3, Worst: []string{"3 of 3 nodes"}, Bindings: []string{"b"}},
		},
		"the kubelet of one node": {
			rights: grants("", rule("get", "", "nodes/proxy", "n2")),
			want:   rbac.Reach{Nodes: 1, Worst: []string{"1 of 3 nodes"}, Bindings: []string{"b"}},
		},
		"exec over WebSockets": {
			rights: grants("shop", rule("get", "", "pods/exec")),
			want:   rbac.Reach{PodsExec: 2, Worst: []string{"commands in pods of shop (2)"}, Bindings: []string{"b"}},
		},
		"bind by name": {
			rights: grants("", rule("bind", rbacGroup, "clusterroles", "view")),
			want:   rbac.Reach{CanBind: true, Worst: []string{"binds itself to roles that hold more (bind)"}, Bindings: []string{"b"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.want.TakesOver == nil {
				test.want.TakesOver = []string{}
			}
			if diff := cmp.Diff(test.want, rbac.Objects{}.Reach(test.rights, inventory())); diff != "" {
				t.Errorf("reach (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReachCountsNamespacesWhereSecretsAreNotKnown(t *testing.T) {
	i := inventory()
	i.Secrets = nil
	got := rbac.Objects{}.Reach(grants("", rule("get", "", "secrets")), i)
	if got.SecretsReadable != 3 || got.Namespaces != 3 {
		t.Errorf("got %d Secrets in %d namespaces, want 3 in 3", got.SecretsReadable, got.Namespaces)
	}
}
