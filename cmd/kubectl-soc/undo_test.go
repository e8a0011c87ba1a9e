package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// reactToUndos plays the operator: it takes each undo up.
func (w *world) reactToUndos(t *testing.T, take func(context.Context, *v1alpha1.ResponseAction) error) {
	t.Helper()
	watcher, err := w.operator.Watch(t.Context(), &v1alpha1.ResponseActionList{}, client.InNamespace(w.namespace))
	must(t, err)
	finished := make(chan struct{})
	t.Cleanup(func() { watcher.Stop(); <-finished })
	go func() {
		defer close(finished)
		for event := range watcher.ResultChan() {
			if a, ok := event.Object.(*v1alpha1.ResponseAction); ok && event.Type == watch.Added && a.Spec.Undo != "" {
				// The test may be over before the answer to what it waited for is read.
				if err := take(context.Background(), a); err != nil {
					t.Error(err)
				}
			}
		}
	}()
}

func TestUndo(t *testing.T) {
	w := newWorld(t)
	w.succeeded(t, "isolate-1")
	w.reactToUndos(t, func(ctx context.Context, a *v1alpha1.ResponseAction) error {
		return w.plan(ctx, a, v1alpha1.TierSenior)
	})
	a := w.run(t, "alice", "undo", "isolate-1", "--yes", "--reason", "the pod was rebuilt")
	must(t, a.err)
	contains(t, "output", a.out, "^What was done, and will be taken back\n  isolate pod shop/web-0\n", "done +Succeeded", `responseaction/undo-isolate-1-\w+ created: alice asks to undo isolate-1`,
		`it waits for somebody else with tier senior: kubectl soc approve -n tenant-\w+ undo-isolate-1-\w+`)

	if strings.Contains(a.out, "  needs ") {
		t.Errorf("what was done is shown as if it still needed something:\n%s", a.out)
	}
	var actions v1alpha1.ResponseActionList
	must(t, w.Client.List(t.Context(), &actions, client.InNamespace(w.namespace), client.MatchingFields{"spec.requestedBy": "alice"}))
	if len(actions.Items) != 1 {
		t.Fatalf("got %d actions of alice, want 1", len(actions.Items))
	}
	got := actions.Items[0]
	want := v1alpha1.ResponseActionSpec{
		Undo: "isolate-1", Investigation: "shop-7f3a", Reason: "the pod was rebuilt", RequestedBy: "alice", ExpiresAfter: got.Spec.ExpiresAfter,
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if got.Labels[v1alpha1.LabelInvestigation] != "shop-7f3a" {
		t.Errorf("labels %v: the case is missing", got.Labels)
	}
	again := w.run(t, "bob", "undo", "isolate-1", "--yes", "--reason", "r")
	contains(t, "asked twice", failure(t, again), "alice asked to undo isolate-1 already: undo-isolate-1-")
}

func TestRefusedUndos(t *testing.T) {
	w := newWorld(t)
	w.succeeded(t, "isolate-1")
	w.waiting(t, "isolate-2", v1alpha1.TierAnalyst)
	undone := w.succeeded(t, "isolate-3")
	undone.Status.UndoneBy = "undo-3"
	must(t, w.operator.Status().Update(t.Context(), undone))
	irreversible := w.succeeded(t, "delete-1")
	irreversible.Status.Inverse, irreversible.Status.Plan.Undo = nil, v1alpha1.UndoIrreversible
	must(t, w.operator.Status().Update(t.Context(), irreversible))

	tests := map[string]struct{ user, action, want string }{
		"not done":        {"alice", "isolate-2", "there is nothing of isolate-2 to take back. WaitingForApproval"},
		"undone":          {"alice", "isolate-3", "isolate-3 was already undone by undo-3"},
		"irreversible":    {"alice", "delete-1", "delete-1 cannot be undone: its operation is irreversible"},
		"unknown":         {"alice", "nothing-like-it", "there is no ResponseAction nothing-like-it in namespace"},
		"without a right": {"vera", "isolate-1", `the API server refused the ResponseAction: .*User "vera" cannot create`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.run(t, tc.user, "undo", tc.action, "--yes", "--reason", "r")
			contains(t, "error", failure(t, a), tc.want)
		})
	}
	var actions v1alpha1.ResponseActionList
	must(t, w.Client.List(t.Context(), &actions, client.InNamespace(w.namespace)))
	if len(actions.Items) != 4 {
		t.Errorf("got %d actions, want the 4 that there were", len(actions.Items))
	}
}

func TestUndoThatCannotBePlanned(t *testing.T) {
	w := newWorld(t)
	w.succeeded(t, "isolate-1")
	w.reactToUndos(t, func(ctx context.Context, a *v1alpha1.ResponseAction) error {
		a.Status.Conditions = []metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPlanFailed, "the pod is gone"),
			condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPlanFailed, "the pod is gone"),
		}
		return w.operator.Status().Update(ctx, a)
	})
	a := w.run(t, "alice", "undo", "isolate-1", "--yes", "--reason", "r")
	contains(t, "error", failure(t, a), "PlanFailed: the pod is gone")
}

// executed makes an action of the case that began so many minutes ago.
func (w *world) executed(t *testing.T, name string, minutes int) {
	t.Helper()
	a := w.succeeded(t, name)
	at := metav1.NewMicroTime(time.Now().Add(-time.Duration(minutes) * time.Minute))
	a.Status.Execution = &v1alpha1.Execution{Key: "k", StartedAt: at}
	must(t, w.operator.Status().Update(t.Context(), a))
}

func TestUndoOfACase(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a shell")
	w.executed(t, "second", 2)
	w.executed(t, "third", 1)
	w.executed(t, "first", 3)
	w.waiting(t, "not-done", v1alpha1.TierAnalyst)
	w.reactToUndos(t, func(ctx context.Context, a *v1alpha1.ResponseAction) error {
		switch a.Spec.Undo {
		case "third":
			original := &v1alpha1.ResponseAction{}
			if err := w.operator.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Spec.Undo}, original); err != nil {
				return err
			}
			a.Status.Plan = original.Status.Plan
			done(a)
		case "second":
			a.Status.Conditions = []metav1.Condition{
				condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPlanFailed, "somebody changed it"),
				condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPlanFailed, "somebody changed it"),
			}
		}
		return w.operator.Status().Update(ctx, a)
	})
	a := w.run(t, "alice", "undo", "--case", "shop-7f3a", "--yes", "--reason", "a drill")
	contains(t, "output", a.out, `(?s)will be taken back in this order.*\(third\).*\(second\).*\(first\)`, "undo-third-\\w+\nSucceeded: isolated")
	contains(t, "error", failure(t, a), `PlanFailed: somebody changed it. The other 1 wait: look why, then delete undo-second-\w+ to go on without it`)
	var actions v1alpha1.ResponseActionList
	must(t, w.Client.List(t.Context(), &actions, client.InNamespace(w.namespace), client.MatchingFields{"spec.requestedBy": "alice"}))
	orders := map[string]int32{}
	for _, undo := range actions.Items {
		orders[undo.Spec.Undo] = undo.Spec.Order
	}
	if diff := cmp.Diff(map[string]int32{"third": 1, "second": 2, "first": 3}, orders); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func TestUndoOfACaseWithNothingToTakeBack(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a shell")
	w.waiting(t, "not-done", v1alpha1.TierAnalyst)
	a := w.run(t, "alice", "undo", "--case", "shop-7f3a", "--yes", "--reason", "a drill")
	contains(t, "error", failure(t, a), "there is nothing of case shop-7f3a to take back")
}
