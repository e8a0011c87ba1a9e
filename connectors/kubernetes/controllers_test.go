package kubernetes_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/test/env"
)

func (w *world) until(t *testing.T, what string, holds func(ctx context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return holds(ctx), nil
	})
	if err != nil {
		t.Fatalf("it never came to it that %s: %v", what, err)
	}
}

// rolling is a workload that its own controller rolls out.
type rolling struct {
	*world
	kind   string
	object *unstructured.Unstructured
}

func (w *world) rolling(t *testing.T, kind string) rolling {
	t.Helper()
	template, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&corev1.PodTemplate{Template: template("example.com/web:1")})
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"namespace": w.namespace, "name": "web"},
		"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}, "template": template["template"]},
	}}
	w.create(t, object)
	return rolling{world: w, kind: kind, object: object}
}

// settled waits until the controller has seen the latest spec, and returns it.
func (r rolling) settled(t *testing.T) map[string]any {
	t.Helper()
	r.until(t, r.kind+" is seen by its controller", func(ctx context.Context) bool {
		if err := r.Get(ctx, client.ObjectKeyFromObject(r.object), r.object); err != nil {
			return false
		}
		seen, _, _ := unstructured.NestedInt64(r.object.Object, "status", "observedGeneration")
		return seen == r.object.GetGeneration()
	})
	spec, _, _ := unstructured.NestedMap(r.object.Object, "spec")
	return spec
}

func (r rolling) request(operation string) connectors.Request {
	return request(operation, "kind", r.kind, "namespace", r.namespace, "name", "web")
}

// done plans, executes and observes, once the plan can be made.
func (r rolling) done(t *testing.T, c connectors.Responder, request connectors.Request) connectors.Plan {
	t.Helper()
	var planned connectors.Plan
	r.until(t, request.Operation+" can be planned", func(ctx context.Context) (ok bool) {
		var err error
		planned, err = c.Plan(ctx, request)
		return err == nil
	})
	wantOutcome(t, c, request, planned, v1alpha1.OutcomeSucceeded)
	return planned
}

func TestRolloutsAndDeletionsAreTakenBackUnderRealControllers(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	cluster := env.Start(t)
	w := newWorldIn(t, cluster, allRoles...)
	cluster.Controllers(t, "deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller",
		"job-controller", "garbage-collector-controller")
	c := w.connector(t, kubernetes.Options{})
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			r := w.rolling(t, kind)
			first := r.settled(t)
			image := client.RawPatch(types.JSONPatchType, []byte(`[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/web:2"}]`))
			if err := w.Patch(t.Context(), r.object, image); err != nil {
				t.Fatal(err)
			}
			second := r.settled(t)
			same := func(what string, want map[string]any) {
				t.Helper()
				if diff := cmp.Diff(want, r.settled(t)); diff != "" {
					t.Errorf("spec %s (-want +got):\n%s", what, diff)
				}
			}

			planned := r.done(t, c, r.request("rollback-workload"))
			same("after the rollback", first)
			wantObserved(t, c, r.request("rollback-workload"), planned, connectors.EffectPresent)
			back := undo(t, planned)
			backPlanned := r.done(t, c, back)
			same("after its undo", second)
			wantObserved(t, c, back, backPlanned, connectors.EffectPresent)

			planned = r.done(t, c, r.request("delete-object"))
			r.until(t, "it is gone", func(ctx context.Context) bool {
				return apierrors.IsNotFound(w.Get(ctx, client.ObjectKeyFromObject(r.object), r.object.DeepCopy()))
			})
			back = undo(t, planned)
			backPlanned = r.done(t, c, back)
			same("after the deletion was undone", second)
			wantObserved(t, c, back, backPlanned, connectors.EffectPresent)
		})
	}
	t.Run("Job", func(t *testing.T) { w.jobComesBack(t, c) })
}

// jobComesBack: its pod goes with a Job, and another comes when it is put back.
func (w *world) jobComesBack(t *testing.T, c connectors.Responder) {
	w.create(t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "job"}, Spec: w.cronJob("").Spec.JobTemplate.Spec})
	pods := func(ctx context.Context) int {
		list := &corev1.PodList{}
		if err := w.List(ctx, list, client.InNamespace(w.namespace), client.MatchingLabels{"job-name": "job"}); err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	w.until(t, "it has a pod", func(ctx context.Context) bool { return pods(ctx) == 1 })
	r := request("delete-object", "kind", "Job", "namespace", w.namespace, "name", "job")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	w.until(t, "its pod is gone", func(ctx context.Context) bool { return pods(ctx) == 0 })
	back := undo(t, planned)
	backPlanned := plan(t, c, back)
	wantOutcome(t, c, back, backPlanned, v1alpha1.OutcomeSucceeded)
	w.until(t, "it has a pod again", func(ctx context.Context) bool { return pods(ctx) == 1 })
	wantObserved(t, c, back, backPlanned, connectors.EffectPresent)
}
