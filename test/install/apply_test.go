package install_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/test/env"
)

var (
	shared    env.Shared
	installed sync.Once
)

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// cluster returns an API server on which config/default is installed and in force.
func cluster(t *testing.T) *env.Cluster {
	t.Helper()
	c := shared.Get(t)
	installed.Do(func() {
		apply(t, c.Client, kustomize(t, "default"))
		aggregate(t, c.Client)
		asOperator := c.ClientAs(t, operator)
		prover, err := admission.New(asOperator, asOperator, namespace)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
			_, last = prover.Since(ctx)
			return last == nil, nil
		}); err != nil {
			t.Fatalf("the policies are not in force: %v", last)
		}
	})
	return c
}

// aggregate fills the ClusterRoles view, edit and admin, as
// kube-controller-manager does where it runs.
func aggregate(t *testing.T, c client.Client) {
	t.Helper()
	for _, name := range []string{"view", "edit", "admin"} {
		var role rbacv1.ClusterRole
		if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &role); err != nil {
			t.Fatal(err)
		}
		for _, selector := range role.AggregationRule.ClusterRoleSelectors {
			var parts rbacv1.ClusterRoleList
			if err := c.List(t.Context(), &parts, client.MatchingLabels(selector.MatchLabels)); err != nil {
				t.Fatal(err)
			}
			for _, part := range parts.Items {
				role.Rules = append(role.Rules, part.Rules...)
			}
		}
		if err := c.Update(t.Context(), &role); err != nil {
			t.Fatal(err)
		}
	}
}

func apply(t *testing.T, c client.Client, objects []*unstructured.Unstructured, opts ...client.ApplyOption) {
	t.Helper()
	opts = append(opts, client.FieldOwner("install"), client.ForceOwnership)
	for _, object := range objects {
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), opts...); err != nil {
			t.Errorf("applying %s: %v", identity(object), err)
		}
	}
}

func TestBothInstallationsApply(t *testing.T) {
	c := cluster(t)
	renderings := map[string][]*unstructured.Unstructured{
		"kustomize":                  kustomize(t, "default"),
		"helm":                       helmTemplate(t, namespace),
		"helm, in another namespace": helmTemplate(t, "soc-platform"),
	}
	err := c.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "soc-platform"}})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	for name, objects := range renderings {
		t.Run(name, func(t *testing.T) { apply(t, c.Client, objects, client.DryRunAll) })
	}
}

func TestSamplesApply(t *testing.T) {
	c := cluster(t)
	objects := kustomize(t, "samples")
	kinds := map[string]int{}
	for _, object := range objects {
		kinds[object.GetKind()]++
	}
	for _, kind := range []string{"AlertSource", "Analyst", "ApprovalPolicy", "Connector", "DetectionRule", "Playbook"} {
		if kinds[kind] == 0 {
			t.Errorf("the samples show no %s", kind)
		}
	}
	apply(t, c.Client, objects)
}

// The namespace enforces the restricted Pod Security Standard: a Deployment that
// breaks it is let in, and its pods never start.
func TestPodIsRestricted(t *testing.T) {
	c := cluster(t)
	template, _, err := unstructured.NestedMap(find(t, kustomize(t, "manager"), "Deployment").Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetNamespace(namespace)
	pod.SetName("tocsin-0")
	if err := c.Client.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
		t.Error(err)
	}
	unstructured.RemoveNestedField(pod.Object, "spec", "securityContext")
	if err := c.Client.Create(t.Context(), pod, client.DryRunAll); !apierrors.IsForbidden(err) {
		t.Errorf("without its securityContext: got %v, want Forbidden: is the namespace labelled?", err)
	}
}

func TestServiceMonitorFindsTheService(t *testing.T) {
	monitor := find(t, kustomize(t, "prometheus"), "ServiceMonitor")
	service := find(t, kustomize(t, "manager"), "Service")
	selector, _, err := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(selector, service.GetLabels()); diff != "" {
		t.Errorf("labels (-selected +the Service's):\n%s", diff)
	}
	endpoints, _, err := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{map[string]any{"port": "metrics"}}, endpoints); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}

func find(t *testing.T, objects []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind {
			return object
		}
	}
	t.Fatalf("there is no %s", kind)
	return nil
}
