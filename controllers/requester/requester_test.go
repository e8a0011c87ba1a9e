package requester_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/requester"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// changed by whom, by the name of the playbook.
type changed map[string]string

func (c changed) LastChanged(_, resource, name string) string {
	if resource != "playbooks.soc.tocsin.dev" {
		return "nobody"
	}
	return c[name]
}

func TestBehind(t *testing.T) {
	c := shared.Get(t).Client
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	ns := namespace.Name
	for user, rule := range map[string]rbacv1.PolicyRule{
		"imogen": {APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"impersonate"}, ResourceNames: []string{"ci"}},
		"toni":   {APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}},
		"poppy":  {APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}},
		"erik":   {APIGroups: []string{""}, Resources: []string{"pods/exec"}, Verbs: []string{"create"}},
		"jo":     {APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"create"}},
		"reader": {APIGroups: []string{"", "apps"}, Resources: []string{"pods", "deployments"}, Verbs: []string{"get", "list"}},
		"other":  {APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"impersonate"}, ResourceNames: []string{"web"}},
	} {
		meta := metav1.ObjectMeta{Namespace: ns, Name: user}
		role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}
		if err := c.Create(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
	}
	finder := requester.Finder{Changes: changed{"shell": "paul", "unknown": ""}, Reviews: c}
	tests := map[string]struct {
		requesters []string
		want       []string
	}{
		"a person":                           {requesters: []string{"alice"}},
		"a playbook":                         {requesters: []string{"playbook:shell"}, want: []string{"paul"}},
		"a playbook on somebody's grade":     {requesters: []string{response.PlaybookRequester("shell", "gina"), "gina"}, want: []string{"paul"}},
		"a playbook that nobody told of":     {requesters: []string{"playbook:unknown"}},
		"a ServiceAccount":                   {requesters: []string{"system:serviceaccount:" + ns + ":ci"}, want: []string{"imogen", "toni", "poppy", "erik", "jo"}},
		"a ServiceAccount of another tenant": {requesters: []string{"system:serviceaccount:default:ci"}},
	}
	var approvals []v1alpha1.Approval
	for _, user := range []string{"imogen", "toni", "poppy", "erik", "jo", "reader", "other", "nobody"} {
		approvals = append(approvals, v1alpha1.Approval{Spec: v1alpha1.ApprovalSpec{Approver: user}})
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := finder.Behind(t.Context(), ns, test.requesters, approvals)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
