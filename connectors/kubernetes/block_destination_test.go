package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// blockDestination has a namespace of its own, since other policies are in its way.
func (w *world) blockDestination(t *testing.T, kinds ...string) conformance.Action {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "blocked-"}}
	w.create(t, namespace)
	there := *w
	there.namespace = namespace.Name
	return conformance.Action{
		Request:  request("block-destination", "namespace", there.namespace, "cidr", "203.0.113.0/24"),
		Snapshot: func(t *testing.T) []byte { return there.snapshot(t, false, kinds...) },
		Prepare:  func(t *testing.T) { there.sweep(t, kinds...) },
	}
}

// excepted is what the policies of the namespace do not let pods reach.
func (w *world) excepted(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, p := range w.policies(t) {
		for _, rule := range p.Spec.Egress {
			for _, peer := range rule.To {
				if peer.IPBlock != nil {
					all = append(all, peer.IPBlock.Except...)
				}
			}
		}
	}
	return all
}

func TestBlocksOfOneNamespaceAddUp(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	var undos []connectors.Request
	for _, cidr := range []string{"203.0.113.9", "2001:db8::/32", "198.51.100.0/24"} {
		r := request("block-destination", "namespace", w.namespace, "cidr", cidr)
		planned := plan(t, c, r)
		wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
		wantObserved(t, c, r, planned, connectors.EffectPresent)
		undos = append(undos, undo(t, planned))
	}
	if diff := cmp.Diff([]string{"203.0.113.9/32", "198.51.100.0/24", "2001:db8::/32"}, w.excepted(t)); diff != "" {
		t.Errorf("blocked (-want +got):\n%s", diff)
	}
	for i, want := range [][]string{{"198.51.100.0/24", "2001:db8::/32"}, {"198.51.100.0/24"}, nil} {
		wantOutcome(t, c, undos[i], plan(t, c, undos[i]), v1alpha1.OutcomeSucceeded)
		if diff := cmp.Diff(want, w.excepted(t)); diff != "" {
			t.Errorf("blocked after %d undos (-want +got):\n%s", i+1, diff)
		}
	}
	if left := w.policies(t); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestBlockThatWouldNotHold(t *testing.T) {
	deny := func(name string, labels map[string]string) func(t *testing.T, w *world) {
		return func(t *testing.T, w *world) {
			w.create(t, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: labels}, PolicyTypes: []networkingv1.PolicyType{"Egress"},
			}})
		}
	}
	tests := map[string]struct {
		prepare func(t *testing.T, w *world)
		want    string
	}{
		"alone":                   {func(*testing.T, *world) {}, ""},
		"one that allows":         {func(t *testing.T, w *world) { w.allowing(t, "web", map[string]string{"app": "web"}) }, "NetworkPolicy tenant"},
		"one that allows nothing": {deny("deny-all", nil), "would allow those pods more"},
		"one of ingress only": {func(t *testing.T, w *world) {
			w.create(t, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "in"}, Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress"}}})
		}, ""},
		"that of an isolated pod": {deny("tocsin-quarantine-web-0-12345678", map[string]string{v1alpha1.LabelQuarantine: "tocsin-quarantine-web-0-12345678"}), ""},
		"a pod within": {func(t *testing.T, w *world) {
			p := w.pod("web-0", nil)
			w.create(t, p)
			p.Status.PodIP = "203.0.113.77"
			p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
			if err := w.Status().Update(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}, "isolate them instead"},
		"a policy of that name": {func(t *testing.T, w *world) {
			w.create(t, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tocsin-blocked-destinations"}})
		}, "look who changed it"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			test.prepare(t, w)
			c := w.connector(t, kubernetes.Options{})
			r := request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24")
			planned, err := c.Plan(t.Context(), r)
			if test.want != "" {
				if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want ErrConflict with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			wantObserved(t, c, r, planned, connectors.EffectPresent)
		})
	}
}

func TestBlockIsNotSeenWhereAPolicyWasAddedSince(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	r := request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	w.allowing(t, "web", map[string]string{"app": "web"})
	wantObserved(t, c, r, planned, connectors.EffectPartial)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
}

// A pod that is isolated stays so, whichever comes first.
func TestBlockLetsNoIsolatedPodOut(t *testing.T) {
	for _, first := range []string{"isolation", "block"} {
		t.Run(first+" first", func(t *testing.T) {
			w := newWorld(t, allRoles...)
			c := w.connector(t, kubernetes.Options{})
			w.create(t, w.pod("web-0", map[string]string{"app": "web"}))
			requests := []connectors.Request{
				request("isolate-pod", "pod", w.namespace+"/web-0"), request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24"),
			}
			if first == "block" {
				requests[0], requests[1] = requests[1], requests[0]
			}
			for _, r := range requests {
				wantOutcome(t, c, r, plan(t, c, r), v1alpha1.OutcomeSucceeded)
			}
			for _, r := range requests {
				wantObserved(t, c, r, plan(t, c, r), connectors.EffectPresent)
			}
			if got := w.allowed(t, "web-0"); len(got) != 0 {
				t.Errorf("policies %v allow the isolated pod something", got)
			}
		})
	}
}

// Undone in any order, isolation and block take back their own.
func TestBlockUnderAnIsolation(t *testing.T) {
	tests := map[string]func(w *world) connectors.Request{
		"of a workload": func(w *world) connectors.Request {
			return request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
		},
		"of the namespace": func(w *world) connectors.Request { return request("isolate-namespace", "namespace", w.namespace) },
	}
	for name, isolate := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			c := w.connector(t, kubernetes.Options{})
			w.create(t, w.deploymentOf("web", map[string]string{"app": "web"}))
			w.create(t, w.pod("web-0", map[string]string{"app": "web"}))
			var undos []connectors.Request
			for _, r := range []connectors.Request{
				request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24"),
				request("block-destination", "namespace", w.namespace, "cidr", "198.51.100.0/24"), isolate(w),
			} {
				planned := plan(t, c, r)
				wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
				undos = append(undos, undo(t, planned))
			}
			if got := w.allowed(t, "web-0"); len(got) != 0 {
				t.Errorf("policies %v allow the isolated pod something", got)
			}
			wantOutcome(t, c, undos[0], plan(t, c, undos[0]), v1alpha1.OutcomeSucceeded)
			if got := w.allowed(t, "web-0"); len(got) != 0 {
				t.Errorf("after one block is taken back, policies %v allow the isolated pod something", got)
			}
			for _, r := range []connectors.Request{undos[2], undos[1]} {
				wantOutcome(t, c, r, plan(t, c, r), v1alpha1.OutcomeSucceeded)
			}
			if left := w.policies(t); len(left) != 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}
