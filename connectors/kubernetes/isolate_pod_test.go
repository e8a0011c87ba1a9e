package kubernetes_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

const networkPolicies = "networking.k8s.io/v1 NetworkPolicy"

// allowing is a policy that allows the pods that it selects to reach a port anywhere.
func (w *world) allowing(t *testing.T, name string, selector map[string]string) *networkingv1.NetworkPolicy {
	t.Helper()
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: selector},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{}},
	}}
	w.create(t, p)
	return p
}

// allowed names the policies that allow the pod something, as the API server has both.
func (w *world) allowed(t *testing.T, pod string) []string {
	t.Helper()
	var p corev1.Pod
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: pod}, &p); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, policy := range w.policies(t) {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil {
			t.Fatal(err)
		}
		if len(policy.Spec.Ingress)+len(policy.Spec.Egress) > 0 && selector.Matches(labels.Set(p.Labels)) {
			names = append(names, policy.Name)
		}
	}
	return names
}

// network are the actions that write policies of these kinds.
func (w *world) network(t *testing.T, kinds ...string) []conformance.Action {
	w.allowing(t, "everybody", nil)
	w.allowing(t, "allowed", map[string]string{"app": "allowed"})
	isolated := func() client.Object { return w.pod("isolated", nil) }
	allowed := func() client.Object { return w.pod("allowed", map[string]string{"app": "allowed", "tier": "front"}) }
	withPods := append([]string{"v1 Pod"}, kinds...)
	return []conformance.Action{
		w.action(t, "isolate-pod", args("pod", w.namespace+"/isolated"), isolated, true, withPods...),
		w.action(t, "isolate-pod", args("pod", w.namespace+"/allowed"), allowed, true, withPods...),
		w.isolateWorkload(t, kinds...), w.isolateNamespace(t, kinds...), w.blockDestination(t, kinds...),
	}
}

// sweep deletes what Tocsin wrote.
func (w *world) sweep(t *testing.T, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		apiVersion, named, _ := strings.Cut(kind, " ")
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(apiVersion)
		object.SetKind(named)
		if err := w.DeleteAllOf(t.Context(), object, client.InNamespace(w.namespace), client.MatchingLabels{"app.kubernetes.io/managed-by": "tocsin"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConformance runs where Cilium is; here nothing can deny.
func TestNetworkActionsWithoutAPlugin(t *testing.T) {
	w := newWorld(t, allRoles...)
	conformance.Run(t, conformance.Subject{Connector: cuttingOff{w.connector(t, kubernetes.Options{})}, Actions: w.network(t, networkPolicies)})
}

// cuttingOff offers the suite what it gets examples of.
type cuttingOff struct{ *kubernetes.Connector }

func (o cuttingOff) Operations() []operation.Operation {
	return slices.DeleteFunc(o.Connector.Operations(), func(op operation.Operation) bool {
		return !strings.HasPrefix(op.Name, "isolate-") && !strings.HasPrefix(op.Name, "release-") && !strings.HasSuffix(op.Name, "block-destination")
	})
}

func TestIsolationEvadesOtherPolicies(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	web := map[string]string{"app": "web"}
	w.allowing(t, "web", web)
	w.allowing(t, "everybody", nil)
	w.create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}, Spec: corev1.ServiceSpec{Selector: web, Ports: []corev1.ServicePort{{Port: 80}}}})
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}, Spec: appsv1.ReplicaSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: web}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: web}, Spec: podSpec()},
	}}
	w.create(t, set)
	p := w.pod("web-0", web)
	p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	w.create(t, p)
	w.create(t, w.pod("other", nil))

	before := w.snapshot(t, true, "v1 Pod", networkPolicies)
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	want := []string{
		"the selector of NetworkPolicy everybody is changed so that it leaves out the pod: whoever applies that policy again, as GitOps does, lets its traffic through",
		"other NetworkPolicies select the pod by app, which is taken from it until undo",
		"the pod leaves ReplicaSet web, which starts another in its place; undo gives it back, and one too many is ended",
		"the pod leaves Service web",
	}
	if diff := cmp.Diff(want, planned.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if got := w.allowed(t, "web-0"); len(got) != 0 {
		t.Errorf("policies %v still allow the isolated pod something", got)
	}
	if diff := cmp.Diff([]string{"everybody"}, w.allowed(t, "other")); diff != "" {
		t.Errorf("what another pod is allowed (-want +got):\n%s", diff)
	}
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	back := undo(t, planned)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	if diff := cmp.Diff(string(before), string(w.snapshot(t, true, "v1 Pod", networkPolicies))); diff != "" {
		t.Errorf("after the undo (-want +got):\n%s", diff)
	}
}

// Undone in any order, each isolation takes back its own.
func TestIsolationsOfTwoPodsUnderOnePolicy(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.allowing(t, "everybody", nil)
	w.create(t, w.pod("one", nil))
	w.create(t, w.pod("two", nil))
	before := w.snapshot(t, true, "v1 Pod", networkPolicies)
	one, two := request("isolate-pod", "pod", w.namespace+"/one"), request("isolate-pod", "pod", w.namespace+"/two")
	first := plan(t, c, one)
	wantOutcome(t, c, one, first, v1alpha1.OutcomeSucceeded)
	second := plan(t, c, two)
	wantOutcome(t, c, two, second, v1alpha1.OutcomeSucceeded)
	back := undo(t, first)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, two, second, connectors.EffectPresent)
	back = undo(t, second)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	if diff := cmp.Diff(string(before), string(w.snapshot(t, true, "v1 Pod", networkPolicies))); diff != "" {
		t.Errorf("after both undos (-want +got):\n%s", diff)
	}
}

func TestIsolationIsNotSeenWhereAPolicyWasAddedSince(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.create(t, w.pod("web-0", map[string]string{"app": "web"}))
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	w.allowing(t, "web", map[string]string{"app": "web"})
	wantObserved(t, c, r, planned, connectors.EffectPartial)
	again := plan(t, c, r)
	if again.Done {
		t.Fatal("planned again, there is nothing to do")
	}
	wantOutcome(t, c, r, again, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
}

func TestReleaseOverwritesNoLabelOfOthers(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.allowing(t, "web", map[string]string{"app": "web"})
	p := w.pod("web-0", map[string]string{"app": "web"})
	w.create(t, p)
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	w.setLabel(t, p, "app", "theirs")
	if _, err := c.Plan(t.Context(), undo(t, planned)); !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "theirs") {
		t.Errorf("got %v, want ErrConflict that shows their label", err)
	}
}

func TestIsolationRefusesAPodOnItsNodesNetwork(t *testing.T) {
	w := newWorld(t, allRoles...)
	p := w.pod("web-0", nil)
	p.Spec.HostNetwork = true
	w.create(t, p)
	_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("isolate-pod", "pod", w.namespace+"/web-0"))
	if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "uses the network of its node") {
		t.Errorf("got %v, want ErrConflict that says why", err)
	}
}

// counting counts requests.
type counting struct {
	http.RoundTripper
	n *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// What stands between an alert and containment: no request may be added for pods
// that no other policy selects.
func TestIsolationIsCheap(t *testing.T) {
	w := newWorld(t, allRoles...)
	requests := &atomic.Int64{}
	cfg := rest.CopyConfig(w.operator)
	cfg.Wrap(func(inner http.RoundTripper) http.RoundTripper { return counting{inner, requests} })
	c, err := kubernetes.New(cfg, w.namespace, "connector", kubernetes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.create(t, w.pod("web-0", map[string]string{"app": "web"}))
	w.allowing(t, "of-another", map[string]string{"app": "db"})
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	requests.Store(0)
	planned := plan(t, c, r)
	if got := requests.Swap(0); got != 6 {
		t.Errorf("planning took %d requests, want 6", got)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if got := requests.Swap(0); got != 3 {
		t.Errorf("executing took %d requests, want 3", got)
	}
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	if got := requests.Swap(0); got != 2 {
		t.Errorf("observing took %d requests, want 2", got)
	}
}

func (w *world) isolatePod(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.pod("isolated", nil) }
	return w.action(t, "isolate-pod", args("pod", w.namespace+"/isolated"), fresh, true, "v1 Pod", networkPolicies)
}

// meddling changes something before the first trial of a change of a NetworkPolicy.
type meddling struct {
	http.RoundTripper
	once   *sync.Once
	meddle func()
}

func (m meddling) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/networkpolicies/") && strings.Contains(r.URL.RawQuery, "dryRun") {
		m.once.Do(m.meddle)
	}
	return m.RoundTripper.RoundTrip(r)
}

// Isolations of other pods change the same policies, and must not be in the way.
func TestIsolationIsPlannedAroundOthers(t *testing.T) {
	tests := map[string]func(t *testing.T, w *world, open *networkingv1.NetworkPolicy){
		"changed": func(t *testing.T, w *world, open *networkingv1.NetworkPolicy) {
			theirs := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"podSelector": {"matchExpressions": [{"key": "theirs", "operator": "DoesNotExist"}]}}}`))
			if err := w.Patch(t.Context(), open, theirs); err != nil {
				t.Error(err)
			}
		},
		"deleted": func(t *testing.T, w *world, open *networkingv1.NetworkPolicy) { w.delete(t, open) },
		"replaced by another": func(t *testing.T, w *world, open *networkingv1.NetworkPolicy) {
			w.delete(t, open)
			w.allowing(t, open.Name, map[string]string{"app": "db"})
		},
	}
	for name, meddle := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			w.create(t, w.pod("web-0", nil))
			open := w.allowing(t, "open", nil)
			once := &sync.Once{}
			cfg := rest.CopyConfig(w.operator)
			cfg.Wrap(func(inner http.RoundTripper) http.RoundTripper {
				return meddling{inner, once, func() { meddle(t, w, open) }}
			})
			c, err := kubernetes.New(cfg, w.namespace, "connector", kubernetes.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r := request("isolate-pod", "pod", w.namespace+"/web-0")
			wantOutcome(t, c, r, plan(t, c, r), v1alpha1.OutcomeSucceeded)
			if names := w.allowed(t, "web-0"); len(names) != 0 {
				t.Errorf("the pod is allowed something by %v", names)
			}
		})
	}
}
