package responseaction_test

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/approval"
	"github.com/tocsin-dev/tocsin/controllers/responseaction"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// start runs the controllers under a real manager, with its cache and watches.
func (w *world) start() {
	w.t.Helper()
	cluster := shared.Get(w.t)
	mgr, err := ctrl.NewManager(cluster.Config, ctrl.Options{
		Scheme: cluster.Scheme, Metrics: server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // one after the other
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = responseaction.SetupWithManager(ctx, mgr, responseaction.Dependencies{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Connectors: w.registry, Policies: w, Log: w.log, Admission: w, Requesters: w,
		Events: w.events, Clock: clock.RealClock{}, Rails: w.rails,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := approval.SetupWithManager(mgr, approval.Dependencies{
		Client: mgr.GetClient(), Admission: w, Requesters: w, Log: w.log, Events: w.events, Clock: clock.RealClock{},
	}); err != nil {
		w.t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- mgr.Start(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			w.t.Errorf("manager: %v", err)
		}
	})
}

// until waits for an action to stand somewhere.
func (w *world) until(name, reason string) *v1alpha1.ResponseAction {
	w.t.Helper()
	var got *v1alpha1.ResponseAction
	err := wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		got = w.get(name)
		return response.Standing(got) == reason, nil
	})
	if err != nil {
		w.t.Fatalf("%s never was %s: %+v", name, reason, got.Status)
	}
	return got
}

func TestWatchesDriveActionsToTheirEnd(t *testing.T) {
	w := newWorld(t)
	w.decisions["isolate"] = requireTier(v1alpha1.TierSenior, 1)
	w.annotate(w.namespace, map[string]string{v1alpha1.AnnotationStop: "drill"})
	w.start()

	inCase := func(order int32) func(*v1alpha1.ResponseAction) {
		return func(a *v1alpha1.ResponseAction) { a.Spec.Investigation, a.Spec.Order = "case", order }
	}
	w.ask("first", "label", inCase(1))
	w.ask("second", "isolate", inCase(2))
	w.until("first", v1alpha1.ReasonStopped)
	w.annotate(w.namespace, nil)
	w.until("first", v1alpha1.ReasonSucceeded)
	w.until("second", v1alpha1.ReasonWaitingForApproval)

	w.decideOn("second", "alice", v1alpha1.TierSenior, v1alpha1.Approve)
	w.until("second", v1alpha1.ReasonSucceeded)
	w.decideOn("second", "bob", v1alpha1.TierSenior, v1alpha1.Deny)
	w.untilRuled("alice", v1alpha1.ReasonCounted)
	w.untilRuled("bob", v1alpha1.ReasonNotAwaited)

	w.undo("back", "second", "carol")
	w.until("second", v1alpha1.ReasonUndone)
	if w.executions() != 3 {
		t.Errorf("%d executions, want 3", w.executions())
	}
}

func (w *world) untilRuled(approver, reason string) {
	w.t.Helper()
	err := wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		var approvals v1alpha1.ApprovalList
		if err := w.client.List(ctx, &approvals, client.InNamespace(w.namespace)); err != nil {
			return false, err
		}
		for _, a := range approvals.Items {
			if c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionCounted); a.Spec.Approver == approver && c != nil {
				return c.Reason == reason, nil
			}
		}
		return false, nil
	})
	if err != nil {
		w.t.Errorf("the approval of %s never was %s", approver, reason)
	}
}
