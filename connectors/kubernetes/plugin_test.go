package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/test/env"
)

// underPlugin is a cluster of its own that serves policies of a network plug-in.
func underPlugin(t *testing.T, gvk schema.GroupVersionKind, plural string) *env.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	anything := true
	cluster := env.Start(t)
	_, err := envtest.InstallCRDs(cluster.Config, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + gvk.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: gvk.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: gvk.Kind, Plural: plural},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: gvk.Version, Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{
				OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &anything},
			}}},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func TestIsolationDeniesWhereThePluginCan(t *testing.T) {
	tests := map[string]struct {
		group, version, kind, plural, prefix string
		want                                 func(policy string) map[string]any
		block                                func(t *testing.T, w *world)
	}{
		"Cilium": {"cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "", func(policy string) map[string]any {
			return map[string]any{
				"endpointSelector": map[string]any{"matchLabels": map[string]any{"soc.tocsin.dev/quarantine": policy}},
				"ingressDeny": []any{
					map[string]any{"fromEntities": []any{"world", "remote-node"}},
					map[string]any{"fromEndpoints": []any{map[string]any{"matchExpressions": []any{map[string]any{"key": "k8s:io.kubernetes.pod.namespace", "operator": "Exists"}}}}},
				},
				"egressDeny": []any{map[string]any{"toEntities": []any{"all"}}},
			}
		}, blocksByCilium},
		"Calico's API":   {"projectcalico.org", "v3", "NetworkPolicy", "networkpolicies", "", calicoDenies, blocksNothing},
		"Calico's store": {"crd.projectcalico.org", "v1", "NetworkPolicy", "networkpolicies", "default.", calicoDenies, blocksNothing},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gvk := schema.GroupVersionKind{Group: test.group, Version: test.version, Kind: test.kind}
			w := newWorldIn(t, underPlugin(t, gvk, test.plural), allRoles...)
			test.block(t, w)
			c := w.connector(t, kubernetes.Options{})
			w.allowing(t, "web", map[string]string{"app": "web"})
			p := w.pod("web-0", map[string]string{"app": "web"})
			w.create(t, p)
			r := request("isolate-pod", "pod", w.namespace+"/web-0")
			planned := plan(t, c, r)
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			wantObserved(t, c, r, planned, connectors.EffectPresent)
			if got := w.labelOf(t, p, "app"); got != "web" {
				t.Errorf("label app is %q, though the deny rules made that needless", got)
			}
			policy := p.Labels[v1alpha1.LabelQuarantine]
			denying := &unstructured.Unstructured{}
			denying.SetGroupVersionKind(gvk)
			key := client.ObjectKey{Namespace: w.namespace, Name: test.prefix + policy}
			if err := w.Get(t.Context(), key, denying); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want(policy), denying.Object["spec"]); diff != "" {
				t.Errorf("deny rules (-want +got):\n%s", diff)
			}
			if err := w.Delete(t.Context(), denying); err != nil {
				t.Fatal(err)
			}
			wantObserved(t, c, r, planned, connectors.EffectPartial)
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			back := undo(t, planned)
			wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
			if err := w.Get(t.Context(), key, denying); !apierrors.IsNotFound(err) {
				t.Errorf("after the undo: got %v, want the deny rules gone", err)
			}
		})
	}
}

func calicoDenies(policy string) map[string]any {
	deny := []any{map[string]any{"action": "Deny"}}
	return map[string]any{
		"tier": "default", "order": int64(-1000000), "selector": "soc.tocsin.dev/quarantine == '" + policy + "'",
		"types": []any{"Ingress", "Egress"}, "ingress": deny, "egress": deny,
	}
}

func blocksByCilium(t *testing.T, w *world) {
	t.Helper()
	gvk := schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "CiliumNetworkPolicy"}
	c := w.connector(t, kubernetes.Options{})
	w.allowing(t, "everybody", nil) // which would be in the way elsewhere
	r := request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk)
	if err := w.List(t.Context(), list, client.InNamespace(w.namespace)); err != nil || len(list.Items) != 1 {
		t.Fatalf("got %d policies of Cilium, %v", len(list.Items), err)
	}
	want := map[string]any{
		"endpointSelector": map[string]any{}, "egressDeny": []any{map[string]any{"toCIDR": []any{"203.0.113.0/24"}}},
		"enableDefaultDeny": map[string]any{"egress": false, "ingress": false},
	}
	if diff := cmp.Diff(want, list.Items[0].Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	back := undo(t, planned)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectAbsent)
}

func blocksNothing(t *testing.T, w *world) {
	t.Helper()
	_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24"))
	if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "Calico") {
		t.Errorf("got %v, want ErrConflict that says why", err)
	}
}
