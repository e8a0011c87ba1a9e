package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

func (w *world) imageOf(t *testing.T, d *appsv1.Deployment) string {
	t.Helper()
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(d), d); err != nil {
		t.Fatal(err)
	}
	return d.Spec.Template.Spec.Containers[0].Image
}

// setImage as somebody else would.
func (w *world) setImage(t *testing.T, d *appsv1.Deployment, image string) {
	t.Helper()
	patch := `[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "` + image + `"}]`
	if err := w.Patch(t.Context(), d, client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

func TestRollbackGoesToTheLatestOther(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	d := w.rolledOut(t, "web", 1, 9, 10)
	r := request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
	planned := plan(t, c, r)
	if want := "from revision 10 to 9"; !strings.Contains(planned.Summary, want) {
		t.Errorf("summary is %q, want %q in it", planned.Summary, want)
	}
	if strings.Contains(planned.Diff, "pod-template-hash") {
		t.Errorf("the diff has the label of a ReplicaSet: %s", planned.Diff)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if got := w.imageOf(t, d); got != "example.com/web:9" {
		t.Errorf("image is %s, want that of revision 9", got)
	}
}

func TestRollbackOverwritesNoOther(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	d := w.rolledOut(t, "web", 1, 2)
	r := request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
	planned := plan(t, c, r)
	w.setImage(t, d, "example.com/web:theirs")
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
	if _, err := c.Plan(t.Context(), r); err == nil || errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "none of its revisions yet") {
		t.Errorf("planning while a rollout begins: got %v, want an error that passes", err)
	}
	w.setImage(t, d, "example.com/web:2")
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	w.setImage(t, d, "example.com/web:theirs")
	if _, err := c.Plan(t.Context(), undo(t, planned)); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("planning the undo: got %v, want ErrConflict", err)
	}
	if got := w.imageOf(t, d); got != "example.com/web:theirs" {
		t.Errorf("image is %s, which somebody else had set otherwise", got)
	}
}

// Values of environment variables are not shown, yet an approval must not hold for others.
func TestRollbackBindsWhatItDoesNotShow(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.rolledOut(t, "web", 1, 2)
	set := &appsv1.ReplicaSet{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-1"}, set); err != nil {
		t.Fatal(err)
	}
	r := request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
	planned := func(preload string) connectors.Plan {
		t.Helper()
		set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "LD_PRELOAD", Value: preload}}
		if err := w.Update(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		return plan(t, c, r)
	}
	seen := planned("/lib/trace.so")
	if planned("/tmp/evil.so").Diff == seen.Diff {
		t.Error("the diff, and so the digest, is the same with another value")
	}
	wantOutcome(t, c, r, seen, v1alpha1.OutcomeFailed)
}

// Somebody who replaces the workload by what it is, without annotations, has not taken the rollback back.
func TestRollbackIsTakenBackWithoutItsMark(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	d := w.rolledOut(t, "web", 1, 2)
	r := request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	unmark := client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"annotations": null}}`))
	if err := w.Patch(t.Context(), d, unmark); err != nil {
		t.Fatal(err)
	}
	back := undo(t, planned)
	backPlanned := plan(t, c, back)
	wantObserved(t, c, back, backPlanned, connectors.EffectAbsent)
	wantOutcome(t, c, back, backPlanned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, back, backPlanned, connectors.EffectPresent)
	if got := w.imageOf(t, d); got != "example.com/web:2" {
		t.Errorf("image is %s, want that of before the rollback", got)
	}
}

func TestRollbackNeedsARevision(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.rolledOut(t, "first", 1)
	_, err := c.Plan(t.Context(), request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "first"))
	if !errors.Is(err, connectors.ErrNotFound) || !strings.Contains(err.Error(), "no other revision than 1") {
		t.Errorf("without an earlier one: got %v, want ErrNotFound", err)
	}
	w.rolledOut(t, "pruned", 1, 2)
	r := request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "pruned")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	pruned := &appsv1.ReplicaSet{}
	pruned.Namespace, pruned.Name = w.namespace, "pruned-2"
	w.delete(t, pruned)
	_, err = c.Plan(t.Context(), undo(t, planned))
	if !errors.Is(err, connectors.ErrNotFound) || !strings.Contains(err.Error(), "has no revision pruned-2 any more") {
		t.Errorf("undo to one that is gone: got %v, want ErrNotFound that names it", err)
	}
}

func TestRestartSaysWhereItDoesNotReach(t *testing.T) {
	w := newWorld(t, allRoles...)
	paused := w.deployment("web", "a")
	paused.Spec.Paused = true
	paused.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	w.create(t, paused)
	got := plan(t, w.connector(t, kubernetes.Options{}), request("restart-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")).Warnings
	want := []string{
		"Deployment " + w.namespace + "/web is paused: the pods are not restarted until it is resumed",
		"Deployment " + w.namespace + "/web stops all its pods before it starts new ones (strategy Recreate)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEachRestartIsOne(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	d := w.deployment("web", "a")
	w.create(t, d)
	for _, key := range []string{"key-1", "key-2"} {
		r := request("restart-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
		r.Key = key
		planned := plan(t, c, r)
		wantObserved(t, c, r, planned, connectors.EffectAbsent)
		wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
		wantObserved(t, c, r, planned, connectors.EffectPresent)
	}
}

func TestSuspensionNamesWhatGoesOn(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.suspendCronJob(t).Prepare(t)
	cronJob := &batchv1.CronJob{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "sync"}, cronJob); err != nil {
		t.Fatal(err)
	}
	cronJob.Status.Active = []corev1.ObjectReference{{Kind: "Job", Namespace: w.namespace, Name: "sync-1"}}
	if err := w.Status().Update(t.Context(), cronJob); err != nil {
		t.Fatal(err)
	}
	r := request("suspend-cronjob", "cronJob", w.namespace+"/sync")
	planned := plan(t, c, r)
	if diff := cmp.Diff([]string{"Jobs that it has started go on: sync-1"}, planned.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
}

// Nodes get and lose taints all the time, from their own controllers.
func TestTaintsOfOthersStay(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	name := w.node(t, "n", false)
	setTaints := func(taints ...corev1.Taint) {
		t.Helper()
		node := &corev1.Node{}
		if err := w.Get(t.Context(), client.ObjectKey{Name: name}, node); err != nil {
			t.Fatal(err)
		}
		node.Spec.Taints = append(node.Spec.Taints, taints...)
		if err := w.Update(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	keys := func() (found []string) {
		node := &corev1.Node{}
		if err := w.Get(t.Context(), client.ObjectKey{Name: name}, node); err != nil {
			t.Fatal(err)
		}
		for _, taint := range node.Spec.Taints {
			if !strings.HasPrefix(taint.Key, "node.kubernetes.io/") {
				found = append(found, taint.Key)
			}
		}
		return found
	}
	setTaints(corev1.Taint{Key: "before", Effect: corev1.TaintEffectNoSchedule})
	r := request("taint-node", "node", name, "key", "soc.tocsin.dev/suspect", "value", "yes", "effect", "NoSchedule")
	planned := plan(t, c, r)
	setTaints(corev1.Taint{Key: "meanwhile", Effect: corev1.TaintEffectNoSchedule})
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	setTaints(corev1.Taint{Key: "after", Effect: corev1.TaintEffectNoSchedule})
	if diff := cmp.Diff([]string{"before", "meanwhile", "soc.tocsin.dev/suspect", "after"}, keys()); diff != "" {
		t.Errorf("tainted (-want +got):\n%s", diff)
	}
	back := undo(t, planned)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	if diff := cmp.Diff([]string{"before", "meanwhile", "after"}, keys()); diff != "" {
		t.Errorf("undone (-want +got):\n%s", diff)
	}
}
