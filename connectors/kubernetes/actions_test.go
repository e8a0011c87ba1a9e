package kubernetes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

func request(operation string, pairs ...any) connectors.Request {
	return connectors.Request{Operation: operation, Arguments: args(pairs...), Key: "key-1"}
}

func plan(t *testing.T, c connectors.Responder, r connectors.Request) connectors.Plan {
	t.Helper()
	p, err := c.Plan(t.Context(), r)
	if err != nil {
		t.Fatalf("planning %s: %v", r.Operation, err)
	}
	return p
}

func wantOutcome(t *testing.T, c connectors.Responder, r connectors.Request, p connectors.Plan, want v1alpha1.ActionOutcome) {
	t.Helper()
	if got, err := c.Execute(t.Context(), r, p); err != nil || got.Outcome != want {
		t.Fatalf("executing %s: got %+v, %v; want %s", r.Operation, got, err, want)
	}
}

func wantObserved(t *testing.T, c connectors.Responder, r connectors.Request, p connectors.Plan, want connectors.Effect) {
	t.Helper()
	if got, err := c.Observe(t.Context(), r, p.Target); err != nil || got != want {
		t.Fatalf("observing %s: got %s, %v; want %s", r.Operation, got, err, want)
	}
}

func undo(t *testing.T, p connectors.Plan) connectors.Request {
	t.Helper()
	r := connectors.Request{Operation: p.Inverse.Operation, Key: "undo-1"}
	if err := json.Unmarshal(p.Inverse.Arguments, &r.Arguments); err != nil {
		t.Fatal(err)
	}
	return r
}

// setLabel as somebody else would; an empty value removes it.
func (w *world) setLabel(t *testing.T, p *corev1.Pod, key, value string) {
	t.Helper()
	labels := map[string]any{key: value}
	if value == "" {
		labels[key] = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Patch(t.Context(), p, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) labelOf(t *testing.T, p *corev1.Pod, key string) string {
	t.Helper()
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil {
		t.Fatal(err)
	}
	return p.Labels[key]
}

func (w *world) policies(t *testing.T) []networkingv1.NetworkPolicy {
	t.Helper()
	list := &networkingv1.NetworkPolicyList{}
	if err := w.List(t.Context(), list, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestIsolationIsCompletedAfterACrash(t *testing.T) {
	tests := map[string]func(t *testing.T, w *world, p *corev1.Pod){
		"between policy and label": func(t *testing.T, w *world, p *corev1.Pod) { w.setLabel(t, p, v1alpha1.LabelQuarantine, "") },
		"with the policy missing": func(t *testing.T, w *world, _ *corev1.Pod) {
			for _, policy := range w.policies(t) {
				w.delete(t, &policy)
			}
		},
	}
	for name, crash := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			c := w.connector(t, kubernetes.Options{})
			p := w.pod("web-0", nil)
			w.create(t, p)
			r := request("isolate-pod", "pod", w.namespace+"/web-0")
			planned := plan(t, c, r)
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			crash(t, w, p)
			wantObserved(t, c, r, planned, connectors.EffectPartial)
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			wantObserved(t, c, r, planned, connectors.EffectPresent)
			policies := w.policies(t)
			if len(policies) != 1 || w.labelOf(t, p, v1alpha1.LabelQuarantine) != policies[0].Name {
				t.Errorf("label is %q, policies are %v", p.Labels[v1alpha1.LabelQuarantine], policies)
			}
		})
	}
}

// Whoever knows the pod could make a policy of that name first, one that allows everything.
func TestIsolationTrustsNoPolicyThatDoesSomethingElse(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	p := w.pod("web-0", nil)
	w.create(t, p)
	w.create(t, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tocsin-quarantine-web-0-" + string(p.UID[:8])},
		Spec:       networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{}}},
	})
	if _, err := c.Plan(t.Context(), request("isolate-pod", "pod", w.namespace+"/web-0")); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("Plan: got %v, want ErrConflict", err)
	}
}

func TestIsolationThatFailsLeavesNothing(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	p := w.pod("web-0", nil)
	w.create(t, p)
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	w.setLabel(t, p, v1alpha1.LabelQuarantine, "mine")
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
	if found := w.policies(t); len(found) != 0 || w.labelOf(t, p, v1alpha1.LabelQuarantine) != "mine" {
		t.Errorf("left are policies %v and label %q", found, p.Labels[v1alpha1.LabelQuarantine])
	}
}

func TestReleaseAfterThePodIsGone(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	p := w.pod("web-0", nil)
	w.create(t, p)
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	w.delete(t, p)
	wantObserved(t, c, r, planned, connectors.EffectUnknown)
	back := undo(t, planned)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	if found := w.policies(t); len(found) != 0 {
		t.Errorf("policies left: %v", found)
	}
}

func TestWhatSomebodyChangedIsNotOverwritten(t *testing.T) {
	const key = "soc.tocsin.dev/case"
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	p := w.pod("web-0", map[string]string{key: "a"})
	w.create(t, p)
	r := request("label", "kind", "Pod", "namespace", w.namespace, "name", "web-0", "labels", map[string]any{key: "b"})
	stale := plan(t, c, r)
	w.setLabel(t, p, key, "theirs")
	wantOutcome(t, c, r, stale, v1alpha1.OutcomeFailed)

	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	back := undo(t, planned)
	backPlanned := plan(t, c, back)
	w.setLabel(t, p, key, "theirs-again")
	if _, err := c.Plan(t.Context(), back); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("planning the undo: got %v, want ErrConflict", err)
	}
	wantOutcome(t, c, back, backPlanned, v1alpha1.OutcomeFailed)
	if got := w.labelOf(t, p, key); got != "theirs-again" {
		t.Errorf("label is %q, which somebody else had set otherwise", got)
	}
}

func (w *world) scaled(t *testing.T, kind string) {
	selector := map[string]string{"app": "web"}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector}, Spec: podSpec()}
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}
	if kind == "Deployment" {
		w.create(t, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: selector}, Template: template}})
		return
	}
	isController := true
	meta.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "u", Controller: &isController}}
	w.create(t, &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: selector}, Template: template}})
}

func TestScaleIsNotRestoredOverAnother(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.scaled(t, "Deployment")
	r := request("scale-to-zero", "kind", "Deployment", "namespace", w.namespace, "name", "web")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	five := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"replicas": 5}}`))
	if err := w.Patch(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}}, five); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Plan(t.Context(), undo(t, planned)); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("planning the undo: got %v, want ErrConflict", err)
	}
}

func TestScalingWhatIsOwnedWarns(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.scaled(t, "ReplicaSet")
	got := plan(t, w.connector(t, kubernetes.Options{}), request("scale-to-zero", "kind", "ReplicaSet", "namespace", w.namespace, "name", "web")).Warnings
	want := []string{fmt.Sprintf("ReplicaSet %s/web is controlled by Deployment web, which will scale it up again: scale that one", w.namespace)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestBindingThatChangedIsLeftAlone(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	binding := w.bind(t, "ops-sync-"+w.namespace, "tocsin-connector-reader", w.namespace, "web")
	r := request("remove-role-binding", "kind", "ClusterRoleBinding", "name", binding.Name)
	planned := plan(t, c, r)
	binding.Subjects = append(binding.Subjects, rbacv1.Subject{Kind: "ServiceAccount", Namespace: w.namespace, Name: "other"})
	if err := w.Update(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)

	planned = plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	w.bind(t, binding.Name, "view", w.namespace, "web")
	if _, err := c.Plan(t.Context(), undo(t, planned)); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("planning the undo over another binding: got %v, want ErrConflict", err)
	}
}

// The API server would not keep it in the action's status.
func TestABindingTooLargeToKeepIsRemoved(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "crowd-" + w.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tocsin-connector-reader"},
	}
	for i := range 8000 {
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: fmt.Sprintf("nobody-%05d-%s", i, strings.Repeat("x", 40))})
	}
	w.create(t, binding)
	r := request("remove-role-binding", "kind", "ClusterRoleBinding", "name", binding.Name)
	planned := plan(t, c, r)
	if planned.Inverse != nil || !strings.Contains(strings.Join(planned.Warnings, "\n"), "too large to be kept") {
		t.Errorf("inverse is %v, warnings are %q", planned.Inverse, planned.Warnings)
	}
	binding.Subjects = binding.Subjects[1:]
	if err := w.Update(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
	planned = plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
}

// Without it, the connector could neither undo nor do anything else that it grants.
func TestTheConnectorsOwnBindingIsNotRemoved(t *testing.T) {
	w := newWorld(t, allRoles...)
	binding := w.bind(t, "own-"+w.namespace, "tocsin-connector-reader", w.namespace, "connector")
	_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("remove-role-binding", "kind", "ClusterRoleBinding", "name", binding.Name))
	if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "could not put it back") {
		t.Errorf("got %v, want ErrConflict that says why", err)
	}
}

// What is on a volume, nobody can put back.
func TestVolumesAreNotLost(t *testing.T) {
	const retain, remove = appsv1.RetainPersistentVolumeClaimRetentionPolicyType, appsv1.DeletePersistentVolumeClaimRetentionPolicyType
	tests := map[string]struct {
		operation string
		policy    appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy
		want      error
	}{
		"scaled down, kept":         {"scale-to-zero", appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: retain, WhenDeleted: remove}, nil},
		"scaled down, and gone":     {"scale-to-zero", appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: remove, WhenDeleted: retain}, connectors.ErrConflict},
		"deleted, kept":             {"delete-object", appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: remove, WhenDeleted: retain}, nil},
		"deleted, and all of it is": {"delete-object", appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: retain, WhenDeleted: remove}, connectors.ErrConflict},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			app := map[string]string{"app": "db"}
			w.create(t, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}, Spec: appsv1.StatefulSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: app}, PersistentVolumeClaimRetentionPolicy: &test.policy,
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: podSpec()},
			}})
			_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request(test.operation, "kind", "StatefulSet", "namespace", w.namespace, "name", "db"))
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), "would lose its volumes") {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestUndoThatWouldEscalateIsForetold(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	binding := w.bind(t, "ops-sync-"+w.namespace, "cluster-admin", w.namespace, "web")
	r := request("remove-role-binding", "kind", "ClusterRoleBinding", "name", binding.Name)
	planned := plan(t, c, r)
	if len(planned.Warnings) != 1 || !strings.Contains(planned.Warnings[0], "undo will be refused") || !strings.Contains(planned.Warnings[0], "the verb bind on that role") {
		t.Errorf("warnings are %q, want one that the undo will be refused, and why", planned.Warnings)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if _, err := c.Plan(t.Context(), undo(t, planned)); !errors.Is(err, connectors.ErrForbidden) {
		t.Errorf("planning the undo: got %v, want ErrForbidden", err)
	}
}

func TestDeletionSparesTheNextPodOfThatName(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{Archive: &shelf{}})
	first := w.pod("web-0", nil)
	w.create(t, first)
	r := request("delete-pod", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	if len(planned.Warnings) != 1 {
		t.Errorf("warnings are %q, want one that nothing starts the pod again", planned.Warnings)
	}
	w.delete(t, first)
	w.create(t, w.pod("web-0", nil))
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-0"}, &corev1.Pod{}); err != nil {
		t.Errorf("the next pod: %v", err)
	}
}

func TestPlanForWhatIsNotThere(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	for _, r := range []connectors.Request{
		request("label", "kind", "Pod", "namespace", w.namespace, "name", "gone", "labels", map[string]any{"soc.tocsin.dev/a": "b"}),
		request("isolate-pod", "pod", w.namespace+"/gone"),
		request("scale-to-zero", "kind", "Deployment", "namespace", w.namespace, "name", "gone"),
		request("cordon", "node", "gone"),
		request("annotate", "kind", "Pod", "namespace", w.namespace, "name", "gone", "annotations", map[string]any{"soc.tocsin.dev/a": "b"}),
		request("capture-evidence", "pod", w.namespace+"/gone"),
		request("drain", "node", "gone"),
		request("restart-workload", "kind", "Deployment", "namespace", w.namespace, "name", "gone"),
		request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "gone"),
		request("suspend-cronjob", "cronJob", w.namespace+"/gone"),
		request("taint-node", "node", "gone", "key", "soc.tocsin.dev/a", "effect", "NoSchedule"),
		request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "gone"),
		request("isolate-namespace", "namespace", "gone-"+w.namespace),
		request("block-destination", "namespace", "gone-"+w.namespace, "cidr", "203.0.113.9"),
	} {
		if _, err := c.Plan(t.Context(), r); !errors.Is(err, connectors.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", r.Operation, err)
		}
	}
	for _, r := range []connectors.Request{
		request("delete-object", "kind", "Job", "namespace", w.namespace, "name", "gone"),
		request("delete-pod", "pod", w.namespace+"/gone"),
		request("evict-pod", "pod", w.namespace+"/gone"),
		request("remove-role-binding", "kind", "RoleBinding", "namespace", w.namespace, "name", "gone"),
	} {
		if p := plan(t, c, r); !p.Done || len(p.Warnings) != 1 {
			t.Errorf("%s: got %+v, want done, with a warning", r.Operation, p)
		}
	}
}

func TestWhatIsBeingDeleted(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	p := w.pod("web-0", nil)
	p.Finalizers = []string{"example.com/held"}
	w.create(t, p)
	if err := w.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Patch(context.Background(), p, client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`))); err != nil {
			t.Error(err)
		}
	})
	for _, operation := range []string{"delete-pod", "evict-pod"} {
		if got := plan(t, c, request(operation, "pod", w.namespace+"/web-0")); !got.Done || got.Target.UID != string(p.UID) {
			t.Errorf("%s: got %+v, want done", operation, got)
		}
	}
	annotating := request("annotate", "kind", "Pod", "namespace", w.namespace, "name", "web-0", "annotations", map[string]any{"soc.tocsin.dev/a": "b"})
	if diff := cmp.Diff([]string{"Pod " + w.namespace + "/web-0 is being deleted already"}, plan(t, c, annotating).Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// lossy loses the answers to what is written for good, after the API server got it.
type lossy struct {
	http.RoundTripper
	lose *atomic.Bool
}

func (l lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil && l.lose.Load() && r.Method != http.MethodGet && !strings.Contains(r.URL.RawQuery, "dryRun") {
		_ = response.Body.Close()
		return nil, errors.New("connection lost")
	}
	return response, err
}

func TestLostAnswerIsUnknown(t *testing.T) {
	w := newWorld(t, allRoles...)
	lose := &atomic.Bool{}
	cfg := rest.CopyConfig(w.operator)
	cfg.Wrap(func(inner http.RoundTripper) http.RoundTripper { return lossy{inner, lose} })
	c, err := kubernetes.New(cfg, w.namespace, "connector", kubernetes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.create(t, w.pod("labelled", nil))
	w.create(t, w.pod("deleted", nil))
	w.create(t, w.pod("isolated", nil))
	w.create(t, w.pod("evicted", nil))
	node := w.node(t, "drained", false)
	w.runningPod(t, "on-node", node, nil)
	w.rolledOut(t, "rolled", 1, 2)
	tests := map[string]struct {
		request connectors.Request
		want    connectors.Effect
	}{
		"label": {
			request("label", "kind", "Pod", "namespace", w.namespace, "name", "labelled", "labels", map[string]any{"soc.tocsin.dev/a": "b"}),
			connectors.EffectPresent,
		},
		"delete":             {request("delete-pod", "pod", w.namespace+"/deleted"), connectors.EffectPresent},
		"evict":              {request("evict-pod", "pod", w.namespace+"/evicted"), connectors.EffectPresent},
		"drain, at its half": {request("drain", "node", node), connectors.EffectPartial},
		"roll back": {
			request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "rolled"), connectors.EffectPresent,
		},
		"isolate, at its half": {request("isolate-pod", "pod", w.namespace+"/isolated"), connectors.EffectPartial},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lose.Store(false)
			planned := plan(t, c, test.request)
			lose.Store(true)
			if got, err := c.Execute(t.Context(), test.request, planned); err == nil {
				t.Errorf("Execute: got %+v, want an error, since nobody knows", got)
			}
			wantObserved(t, c, test.request, planned, test.want)
		})
	}
	err = w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "deleted"}, &corev1.Pod{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the pod was deleted all the same: got %v", err)
	}
}
