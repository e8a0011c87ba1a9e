package kubernetes_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// budget of the pods with app=web; observed as its controller would, if allowed is not below zero.
func (w *world) budget(t *testing.T, name string, allowed int32) *policyv1.PodDisruptionBudget {
	t.Helper()
	one := intstr.FromInt32(1)
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
	}
	w.create(t, b)
	if allowed >= 0 {
		w.allow(t, b, allowed)
	}
	return b
}

func (w *world) allow(t *testing.T, b *policyv1.PodDisruptionBudget, allowed int32) {
	t.Helper()
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(b), b); err != nil {
		t.Fatal(err)
	}
	b.Status = policyv1.PodDisruptionBudgetStatus{
		ObservedGeneration: b.Generation, DisruptionsAllowed: allowed, CurrentHealthy: 1 + allowed, DesiredHealthy: 1, ExpectedPods: 1 + allowed,
	}
	if err := w.Status().Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestEvictionWaitsForItsBudget(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.runningPod(t, "web-0", "n1", map[string]string{"app": "web"})
	r := request("evict-pod", "pod", w.namespace+"/web-0")
	unhindered := plan(t, c, r)
	if unhindered.Blocked != "" {
		t.Fatalf("without a budget it is blocked: %s", unhindered.Blocked)
	}
	b := w.budget(t, "web", -1)
	if p := plan(t, c, r); !strings.Contains(p.Blocked, "PodDisruptionBudget "+w.namespace+"/web is new") {
		t.Errorf("with a budget that nobody has looked at: blocked is %q", p.Blocked)
	}
	w.allow(t, b, 0)
	if p := plan(t, c, r); !strings.Contains(p.Blocked, "disruption budget web") || !strings.Contains(strings.Join(p.Warnings, "\n"), "PodDisruptionBudget "+w.namespace+"/web covers pod web-0 and allows 0 disruptions now") {
		t.Errorf("blocked is %q, warnings are %q; want both to name the budget", p.Blocked, p.Warnings)
	}
	_, err := c.Execute(t.Context(), r, unhindered)
	if !errors.Is(err, connectors.ErrBlocked) || !strings.Contains(err.Error(), "disruption budget web") {
		t.Errorf("Execute: got %v, want ErrBlocked that names the budget", err)
	}
	wantObserved(t, c, r, unhindered, connectors.EffectAbsent)
	w.allow(t, b, 1)
	if p := plan(t, c, r); p.Blocked != "" {
		t.Errorf("the budget allows one, but it is blocked: %s", p.Blocked)
	}
	wantOutcome(t, c, r, unhindered, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, unhindered, connectors.EffectPresent)
}

func TestNoEvictionWithTwoBudgets(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.runningPod(t, "web-0", "n1", map[string]string{"app": "web"})
	w.budget(t, "one", 1)
	w.budget(t, "two", 1)
	_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("evict-pod", "pod", w.namespace+"/web-0"))
	if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "PodDisruptionBudgets one and two both cover it") {
		t.Errorf("got %v, want ErrConflict that names both", err)
	}
}

func (w *world) node(t *testing.T, name string, cordoned bool) string {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name + "-" + w.namespace}, Spec: corev1.NodeSpec{Unschedulable: cordoned}}
	w.create(t, n)
	return n.Name
}

func controlledBy(kind, name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(kind + name), Controller: &yes}}
	}
}

// departing are the names of the pods of a node that are gone or about to go.
func (w *world) departing(t *testing.T, pods ...*corev1.Pod) []string {
	t.Helper()
	var names []string
	for _, p := range pods {
		err := w.Get(t.Context(), client.ObjectKeyFromObject(p), p)
		if client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
		if apierrors.IsNotFound(err) || p.DeletionTimestamp != nil {
			names = append(names, p.Name)
		}
	}
	return names
}

func TestDrainIsResumed(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	node := w.node(t, "n", false)
	agents := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "agent"},
		Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: template("agent")},
	}
	w.create(t, agents)
	pods := []*corev1.Pod{
		w.runningPod(t, "bare", node, nil),
		w.runningPod(t, "web-0", node, map[string]string{"app": "web"}, controlledBy("ReplicaSet", "web")),
		w.runningPod(t, "agent", node, nil, func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(agents, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
		}),
		w.runningPod(t, "claims-to-be", node, nil, controlledBy("DaemonSet", "agent")),
		w.runningPod(t, "static", node, nil, func(p *corev1.Pod) {
			p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
			yes := true
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node, UID: "u", Controller: &yes}}
		}),
		w.runningPod(t, "system", node, nil, func(p *corev1.Pod) { p.Namespace = "kube-system" }),
		w.runningPod(t, "elsewhere", "other", nil),
	}
	b := w.budget(t, "web", 0)
	r := request("drain", "node", node)
	planned := plan(t, c, r)
	for _, part := range []string{
		"+  unschedulable: true", "-evict Pod " + w.namespace + "/bare, which nothing starts again", "-evict the pods of ReplicaSet " + w.namespace + "/web",
	} {
		if !strings.Contains(planned.Diff, part) {
			t.Errorf("the diff says %q, want it to say %q", planned.Diff, part)
		}
	}
	if strings.Contains(planned.Diff, "static") || strings.Contains(planned.Diff, "system") {
		t.Errorf("the diff has pods that stay: %s", planned.Diff)
	}
	_, err := c.Execute(t.Context(), r, planned)
	if !errors.Is(err, connectors.ErrBlocked) || !strings.Contains(err.Error(), "disruption budget web") {
		t.Errorf("Execute: got %v, want ErrBlocked that names the budget", err)
	}
	wantObserved(t, c, r, planned, connectors.EffectPartial)
	if diff := cmp.Diff([]string{"bare", "claims-to-be"}, w.departing(t, pods...)); diff != "" {
		t.Errorf("while the budget is used up (-want +got):\n%s", diff)
	}
	w.allow(t, b, 1)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	if diff := cmp.Diff([]string{"bare", "web-0", "claims-to-be"}, w.departing(t, pods...)); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	if back := undo(t, planned); back.Operation != "uncordon" {
		t.Errorf("the undo is %s, want uncordon", back.Operation)
	}
}

func TestDrainOfACordonedNodeHasNoUndo(t *testing.T) {
	w := newWorld(t, allRoles...)
	node := w.node(t, "n", true)
	w.runningPod(t, "bare", node, nil)
	p := plan(t, w.connector(t, kubernetes.Options{}), request("drain", "node", node))
	if p.Inverse != nil || !slices.Contains(p.Warnings, "the node was cordoned before: there is nothing that an undo would take back") {
		t.Errorf("got inverse %v and warnings %q", p.Inverse, p.Warnings)
	}
}

func TestDrainLeavesHalfOfAWorkload(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	node := w.node(t, "n", false)
	of := controlledBy("ReplicaSet", "web")
	pods := []*corev1.Pod{w.runningPod(t, "web-0", node, nil, of), w.runningPod(t, "web-1", node, nil, of), w.runningPod(t, "web-2", "other", nil, of)}
	r := request("drain", "node", node)
	planned := plan(t, c, r)
	_, err := c.Execute(t.Context(), r, planned)
	want := fmt.Sprintf("pod %s/web-1 stays until more pods of ReplicaSet %s/web serve: 2 of 3 do", w.namespace, w.namespace)
	if !errors.Is(err, connectors.ErrBlocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("Execute: got %v, want ErrBlocked: %s", err, want)
	}
	if diff := cmp.Diff([]string{"web-0"}, w.departing(t, pods...)); diff != "" {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
	w.runningPod(t, "web-3", "other", nil, of) // in place of web-0
	w.delete(t, pods[0])
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
}

// listings counts how often all pods of a namespace are listed.
type listings struct {
	http.RoundTripper
	of    string
	count *atomic.Int32
}

func (l listings) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && r.URL.Path == "/api/v1/namespaces/"+l.of+"/pods" {
		l.count.Add(1)
	}
	return l.RoundTripper.RoundTrip(r)
}

// Of a namespace with ten thousand pods, a node's worth of listings would take longer than an attempt may.
func TestDrainListsANamespaceOnce(t *testing.T) {
	w := newWorld(t, allRoles...)
	listed := &atomic.Int32{}
	cfg := rest.CopyConfig(w.operator)
	cfg.Wrap(func(inner http.RoundTripper) http.RoundTripper { return listings{inner, w.namespace, listed} })
	c, err := kubernetes.New(cfg, w.namespace, "connector", kubernetes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	node := w.node(t, "n", false)
	for i := range 5 {
		w.runningPod(t, fmt.Sprintf("bare-%d", i), node, nil)
	}
	r := request("drain", "node", node)
	planned := plan(t, c, r)
	listed.Store(0)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if got := listed.Load(); got != 1 {
		t.Errorf("its pods were listed %d times, want once", got)
	}
}

func TestPlansTellWhatIsTakenAway(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{Archive: &shelf{}})
	of := controlledBy("ReplicaSet", "web")
	app := map[string]string{"app": "web"}
	w.runningPod(t, "web-0", "n1", map[string]string{"app": "web", "shard": "0"}, of)
	w.runningPod(t, "web-1", "n1", app, of)
	w.runningPod(t, "web-2", "n1", map[string]string{"app": "web", "soc.tocsin.dev/quarantine": "x"}, of)
	made := controlledBy("Excuse", "any")
	w.runningPod(t, "evil", "n1", nil, made)
	w.runningPod(t, "evil-too", "n1", map[string]string{v1alpha1.LabelQuarantine: "x"}, made)
	w.create(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}, Spec: w.deployment("web", "a").Spec})
	service := func(name string, selector map[string]string) {
		w.create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
			Spec: corev1.ServiceSpec{Selector: selector, Ports: []corev1.ServicePort{{Port: 80}}}})
	}
	service("all", app)
	service("shard", map[string]string{"shard": "0"})
	one := fmt.Sprintf("ReplicaSet %s/web has 3 pods, of which 2 serve; 1 are left", w.namespace)
	shard := "no pod is left that serves Service " + w.namespace + "/shard"
	none := []string{
		fmt.Sprintf("ReplicaSet %s/web has 3 pods, of which 2 serve; 0 are left", w.namespace),
		fmt.Sprintf("no pod is left that serves Service %s/all, Service %s/shard", w.namespace, w.namespace),
	}
	tests := map[string]struct {
		request  connectors.Request
		taken    int
		warnings []string
	}{
		"delete":  {request("delete-pod", "pod", w.namespace+"/web-0"), 1, []string{one, shard}},
		"evict":   {request("evict-pod", "pod", w.namespace+"/web-0"), 1, []string{one, shard}},
		"isolate": {request("isolate-pod", "pod", w.namespace+"/web-0"), 1, []string{one, shard}},
		"scale": {
			request("scale-to-zero", "kind", "Deployment", "namespace", w.namespace, "name", "web"), 2, none,
		},
		"isolate a workload": {
			request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web"), 2,
			append([]string{"3 pods are cut off, and every one to come"}, none...),
		},
		"isolate a namespace": {
			request("isolate-namespace", "namespace", w.namespace), 2,
			append([]string{"5 pods are cut off, and every one to come"}, none...),
		},
		"of an owner that is made up": {request("delete-pod", "pod", w.namespace+"/evil"), 0, nil},
		"one that does not serve":     {request("delete-pod", "pod", w.namespace+"/web-2"), 0, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := plan(t, c, test.request)
			if diff := cmp.Diff(test.warnings, p.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			var want []connectors.Share
			if test.taken > 0 {
				want = []connectors.Share{{
					Workload: v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Namespace: w.namespace, Name: "web", UID: "ReplicaSetweb"},
					Pods:     3, Serving: 2, Taken: test.taken,
				}}
			}
			if diff := cmp.Diff(want, p.Shares, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("shares (-want +got):\n%s", diff)
			}
		})
	}
}
