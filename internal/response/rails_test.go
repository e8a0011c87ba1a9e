package response_test

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

func target(apiVersion, kind, namespace, name string) v1alpha1.TargetReference {
	return v1alpha1.TargetReference{APIVersion: apiVersion, Kind: kind, Namespace: namespace, Name: name}
}

func TestRailsRefuse(t *testing.T) {
	const rbac, admission, crd = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1"
	cases := map[string]struct {
		subject response.Subject
		want    string // part of the message; empty: passes
	}{
		"a pod":                              {response.Subject{Target: target("v1", "Pod", "shop", "web-0")}, ""},
		"a node":                             {response.Subject{Target: target("v1", "Node", "", "n2")}, ""},
		"a binding":                          {response.Subject{Target: target(rbac, "ClusterRoleBinding", "", "ops-sync")}, ""},
		"a pod of kube-system":               {response.Subject{Target: target("v1", "Pod", "kube-system", "dns")}, "kube-system is protected"},
		"kube-public itself":                 {response.Subject{Target: target("v1", "Namespace", "", "kube-public")}, "kube-public is protected"},
		"kube-node-lease":                    {response.Subject{Target: target("coordination.k8s.io/v1", "Lease", "kube-node-lease", "n1")}, "kube-node-lease is protected"},
		"kube-system, named by a policy":     {response.Subject{Target: target("v1", "Pod", "kube-system", "dns"), Named: true}, ""},
		"Tocsin's pod":                       {response.Subject{Target: target("v1", "Pod", "tocsin-system", "tocsin-0")}, "Tocsin itself"},
		"Tocsin's pod, named by a policy":    {response.Subject{Target: target("v1", "Pod", "tocsin-system", "tocsin-0"), Named: true}, "Tocsin itself"},
		"Tocsin's namespace":                 {response.Subject{Target: target("v1", "Namespace", "", "tocsin-system"), Named: true}, "Tocsin itself"},
		"Tocsin's ClusterRoleBinding":        {response.Subject{Target: target(rbac, "ClusterRoleBinding", "", "tocsin-manager")}, "Tocsin itself"},
		"Tocsin's ClusterRole":               {response.Subject{Target: target(rbac, "ClusterRole", "", "tocsin")}, "Tocsin itself"},
		"a Role for Tocsin in a tenant":      {response.Subject{Target: target(rbac, "Role", "shop", "tocsin-impersonate")}, "Tocsin itself"},
		"a pod that only sounds like Tocsin": {response.Subject{Target: target("v1", "Pod", "shop", "tocsin-0")}, ""},
		"Tocsin's admission policy":          {response.Subject{Target: target(admission, "ValidatingAdmissionPolicyBinding", "", "tocsin-approvals")}, "Tocsin itself"},
		"another admission policy":           {response.Subject{Target: target(admission, "ValidatingAdmissionPolicy", "", "images")}, ""},
		"Tocsin's CRD":                       {response.Subject{Target: target(crd, "CustomResourceDefinition", "", "approvals.soc.tocsin.dev")}, "Tocsin itself"},
		"another CRD":                        {response.Subject{Target: target(crd, "CustomResourceDefinition", "", "approvals.example.dev")}, ""},
		"an object of Tocsin's kinds":        {response.Subject{Target: target("soc.tocsin.dev/v1alpha1", "ApprovalPolicy", "shop", "strict")}, "Tocsin itself"},
		"the node that Tocsin runs on":       {response.Subject{Target: target("v1", "Node", "", "n1")}, "runs on node n1"},
		"the control plane's own binding":    {response.Subject{Target: target(rbac, "ClusterRoleBinding", "", "system:node")}, "control plane"},
		"the administrators' binding":        {response.Subject{Target: target(rbac, "ClusterRoleBinding", "", "cluster-admin")}, "control plane"},
		"what also takes hold of Tocsin": {response.Subject{
			Target: target("", "ContainerImage", "", "docker.io/library/alpine"), Named: true,
			Touches: []v1alpha1.TargetReference{target("v1", "Namespace", "", "shop"), target("v1", "Namespace", "", "tocsin-system")},
		}, "it reaches further: Namespace tocsin-system belongs to Tocsin itself"},
		"what also takes hold of others": {response.Subject{
			Target: target("", "ContainerImage", "", "docker.io/library/alpine"), Touches: []v1alpha1.TargetReference{target("v1", "Namespace", "", "shop")},
		}, ""},
		"a user of the control plane": {response.Subject{Target: target(rbac, "User", "", "system:kube-scheduler")}, "control plane"},
		"a user":                      {response.Subject{Target: target(rbac, "User", "", "mallory"), Affects: []string{"mallory"}, Approvers: []string{"alice"}}, ""},
		"the user who approved it":    {response.Subject{Target: target(rbac, "User", "", "alice"), Affects: []string{"alice"}, Approvers: []string{"alice"}}, "access of alice"},
		"Tocsin's ServiceAccount":     {response.Subject{Target: target("v1", "ServiceAccount", "tocsin-system", "tocsin")}, "Tocsin itself"},
		"who may approve here": {response.Subject{
			Target: target(rbac, "RoleBinding", "soc", "seniors"), Grants: []string{"tocsin-senior"},
		}, "rights to work with Tocsin itself"},
		"access of who approved it": {response.Subject{
			Target: target(rbac, "RoleBinding", "shop", "devs"), Affects: []string{"bob", "alice"}, Approvers: []string{"alice"},
		}, "access of alice"},
		"what a tenant hands to Tocsin": {response.Subject{
			Target: target(rbac, "RoleBinding", "shop", "soc-access"), Affects: []string{"system:serviceaccount:tocsin-system:tocsin"},
		}, "access of Tocsin itself"},
		"what is handed to one of its name elsewhere": {response.Subject{
			Target: target(rbac, "RoleBinding", "shop", "soc-access"), Affects: []string{"system:serviceaccount:tocsin-system-2:tocsin"},
		}, ""},
		"access of somebody else": {response.Subject{
			Target: target(rbac, "RoleBinding", "shop", "devs"), Affects: []string{"bob"}, Approvers: []string{"alice"},
		}, ""},
	}
	rails := response.Rails{Namespace: "tocsin-system", Node: "n1"}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := rails.Refuse(tc.subject)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want it to contain %q", got, tc.want)
			}
		})
	}
}

func TestRailsOutsideAClusterProtectNoNodeAndNoNamelessNamespace(t *testing.T) {
	rails := response.Rails{}
	for _, t2 := range []v1alpha1.TargetReference{target("v1", "Node", "", ""), target("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "x")} {
		if got := rails.Refuse(response.Subject{Target: t2}); got != "" {
			t.Errorf("%v: %s", t2, got)
		}
	}
}

func TestStopped(t *testing.T) {
	cases := map[string]struct {
		annotations map[string]string
		want        bool
	}{
		"none":     {},
		"other":    {annotations: map[string]string{"a": "true"}},
		"true":     {annotations: map[string]string{v1alpha1.AnnotationStop: "true"}, want: true},
		"empty":    {annotations: map[string]string{v1alpha1.AnnotationStop: ""}, want: true},
		"a reason": {annotations: map[string]string{v1alpha1.AnnotationStop: "incident 12"}, want: true},
		"False":    {annotations: map[string]string{v1alpha1.AnnotationStop: "False"}, want: true},
		"false":    {annotations: map[string]string{v1alpha1.AnnotationStop: "false"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := response.Stopped(tc.annotations); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
