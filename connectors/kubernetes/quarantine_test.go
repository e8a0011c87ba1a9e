package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

func (w *world) deploymentOf(name string, labels map[string]string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec()},
	}}
}

func (w *world) isolateWorkload(t *testing.T, kinds ...string) conformance.Action {
	labels := map[string]string{"app": "quarantined"}
	w.allowing(t, "workload-"+w.namespace, labels)
	fresh := func() client.Object { return w.deploymentOf("quarantined", labels) }
	return w.action(t, "isolate-workload", args("kind", "Deployment", "namespace", w.namespace, "name", "quarantined"), fresh, true, kinds...)
}

func (w *world) isolateNamespace(t *testing.T, kinds ...string) conformance.Action {
	w.allowing(t, "namespace-"+w.namespace, nil)
	return conformance.Action{
		Request:  request("isolate-namespace", "namespace", w.namespace),
		Snapshot: func(t *testing.T) []byte { return w.snapshot(t, false, kinds...) },
		Prepare: func(t *testing.T) {
			w.sweep(t, kinds...)
			for _, policy := range w.policies(t) {
				policy.Spec.PodSelector.MatchExpressions = nil
				if err := w.Update(t.Context(), &policy); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

func TestQuarantine(t *testing.T) {
	web := map[string]string{"app": "web"}
	tests := map[string]struct {
		request      func(w *world) connectors.Request
		want         []string
		wantIsolated []string
	}{
		"a workload": {
			request: func(w *world) connectors.Request {
				return request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
			},
			want: []string{
				"2 pods are cut off, and every one to come", "1 pod uses the network of a node: no NetworkPolicy applies to that",
				"the selector of NetworkPolicy everybody, web is changed so that it leaves out what is isolated: whoever applies that policy again, as GitOps does, lets its traffic through",
			},
			wantIsolated: []string{"web-0", "web-1"},
		},
		"a namespace": {
			request: func(w *world) connectors.Request { return request("isolate-namespace", "namespace", w.namespace) },
			want: []string{
				"3 pods are cut off, and every one to come", "1 pod uses the network of a node: no NetworkPolicy applies to that",
				"the selector of NetworkPolicy everybody, web is changed so that it leaves out what is isolated: whoever applies that policy again, as GitOps does, lets its traffic through",
			},
			wantIsolated: []string{"db-0", "web-0", "web-1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			c := w.connector(t, kubernetes.Options{})
			w.create(t, w.deploymentOf("web", web))
			w.create(t, w.pod("web-0", web))
			onNode := w.pod("web-1", web)
			onNode.Spec.HostNetwork = true
			w.create(t, onNode)
			w.create(t, w.pod("db-0", map[string]string{"app": "db"}))
			w.allowing(t, "everybody", nil)
			w.allowing(t, "web", web)
			before := w.snapshot(t, true, networkPolicies)
			r := test.request(w)
			planned := plan(t, c, r)
			if diff := cmp.Diff(test.want, planned.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			wantObserved(t, c, r, planned, connectors.EffectPresent)
			for _, pod := range test.wantIsolated {
				if got := w.allowed(t, pod); len(got) != 0 {
					t.Errorf("policies %v still allow %s something", got, pod)
				}
			}
			if len(test.wantIsolated) == 2 {
				if diff := cmp.Diff([]string{"everybody"}, w.allowed(t, "db-0")); diff != "" {
					t.Errorf("what another pod is allowed (-want +got):\n%s", diff)
				}
			}
			late := w.allowing(t, "late", web)
			wantObserved(t, c, r, planned, connectors.EffectPartial)
			w.delete(t, late)
			back := undo(t, planned)
			wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
			if diff := cmp.Diff(string(before), string(w.snapshot(t, true, networkPolicies))); diff != "" {
				t.Errorf("after the undo (-want +got):\n%s", diff)
			}
		})
	}
}

// What was isolated more widely first stays isolated when that is taken back, which the incident allows before the rest.
func TestAnIsolationOutlivesAWiderOne(t *testing.T) {
	web := map[string]string{"app": "web"}
	tests := map[string]struct {
		wide, narrow func(w *world) connectors.Request
	}{
		"a pod, in a namespace":      {isolatesNamespace, isolatesPod},
		"a workload, in a namespace": {isolatesNamespace, isolatesWorkload},
		"a pod, of a workload":       {isolatesWorkload, isolatesPod},
		"another of the same labels": {isolatesWorkload, isolatesTwin},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			c := w.connector(t, kubernetes.Options{})
			w.create(t, w.deploymentOf("web", web))
			w.create(t, w.deploymentOf("twin", web))
			w.create(t, w.pod("web-0", web))
			w.allowing(t, "everybody", nil)
			w.allowing(t, "web", web)
			before := w.snapshot(t, true, networkPolicies)
			wide, narrow := test.wide(w), test.narrow(w)
			widely := plan(t, c, wide)
			wantOutcome(t, c, wide, widely, v1alpha1.OutcomeSucceeded)
			narrowly := plan(t, c, narrow)
			wantOutcome(t, c, narrow, narrowly, v1alpha1.OutcomeSucceeded)
			back := undo(t, widely)
			wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
			if got := w.allowed(t, "web-0"); len(got) != 0 {
				t.Errorf("policies %v allow the pod something, which is isolated by itself", got)
			}
			wantObserved(t, c, narrow, narrowly, connectors.EffectPresent)
			back = undo(t, narrowly)
			wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
			if diff := cmp.Diff(string(before), string(w.snapshot(t, true, networkPolicies))); diff != "" {
				t.Errorf("after both undos (-want +got):\n%s", diff)
			}
		})
	}
}

func isolatesNamespace(w *world) connectors.Request {
	return request("isolate-namespace", "namespace", w.namespace)
}

func isolatesWorkload(w *world) connectors.Request {
	return request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
}

func isolatesTwin(w *world) connectors.Request {
	return request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "twin")
}

func isolatesPod(w *world) connectors.Request {
	return request("isolate-pod", "pod", w.namespace+"/web-0")
}

// A policy cannot leave out the workload and keep another pod that carries its labels.
func TestIsolatingAWorkloadThatWouldNotHold(t *testing.T) {
	labels := map[string]string{"app": "web", "tier": "front"}
	tests := map[string]struct {
		other map[string]string
		want  error
	}{
		"a label is its own":      {other: map[string]string{"app": "web", "tier": "back"}},
		"each label somebody has": {other: map[string]string{"app": "web"}, want: connectors.ErrConflict},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			c := w.connector(t, kubernetes.Options{})
			w.create(t, w.deploymentOf("web", labels))
			w.create(t, w.pod("other", test.other))
			if test.want != nil {
				w.create(t, w.pod("third", map[string]string{"tier": "front"}))
			}
			w.allowing(t, "everybody", nil)
			r := request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
			planned, err := c.Plan(t.Context(), r)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "everybody") || !strings.Contains(err.Error(), "would not hold") {
					t.Errorf("got %q, want it to name the policy", err)
				}
				return
			}
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			if diff := cmp.Diff([]string{"everybody"}, w.allowed(t, "other")); diff != "" {
				t.Errorf("what another pod is allowed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsolatingAWorkloadOnTheNodesNetwork(t *testing.T) {
	w := newWorld(t, allRoles...)
	d := w.deploymentOf("web", map[string]string{"app": "web"})
	d.Spec.Template.Spec.HostNetwork = true
	w.create(t, d)
	_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web"))
	if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "network of their node") {
		t.Errorf("got %v, want ErrConflict that says why", err)
	}
}

func TestQuarantineIsCompletedAfterACrash(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	everybody := w.allowing(t, "everybody", nil)
	r := request("isolate-namespace", "namespace", w.namespace)
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(everybody), everybody); err != nil {
		t.Fatal(err)
	}
	everybody.Spec.PodSelector = metav1.LabelSelector{} // it died before this was changed
	if err := w.Update(t.Context(), everybody); err != nil {
		t.Fatal(err)
	}
	wantObserved(t, c, r, planned, connectors.EffectPartial)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
}

// What somebody else changed in a policy meanwhile stays.
func TestReleaseKeepsWhatOthersChangedInAPolicy(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	everybody := w.allowing(t, "everybody", nil)
	r := request("isolate-namespace", "namespace", w.namespace)
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(everybody), everybody); err != nil {
		t.Fatal(err)
	}
	everybody.Spec.PodSelector.MatchLabels = map[string]string{"app": "web"}
	everybody.Spec.Egress = append(everybody.Spec.Egress, networkingv1.NetworkPolicyEgressRule{})
	if err := w.Update(t.Context(), everybody); err != nil {
		t.Fatal(err)
	}
	back := undo(t, planned)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(everybody), everybody); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, everybody.Spec.PodSelector); diff != "" || len(everybody.Spec.Egress) != 2 {
		t.Errorf("the policy has %d rules and the selector (-want +got):\n%s", len(everybody.Spec.Egress), diff)
	}
}
