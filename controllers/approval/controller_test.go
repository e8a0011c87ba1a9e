package approval_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/approval"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var digest = strings.Repeat("a", 64)

// memoryLog is an audit log that can be made to fail.
type memoryLog struct {
	mu      sync.Mutex
	entries []audit.Entry
	err     error
}

func (l *memoryLog) Append(_ context.Context, e audit.Entry) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	l.entries = append(l.entries, e)
	return int64(len(l.entries) - 1), nil
}

// proof of admission since a time; none if it is zero.
type proof time.Time

func (p proof) Since(context.Context) (time.Time, error) {
	if time.Time(p).IsZero() {
		return time.Time{}, fmt.Errorf("%w: tocsin-approvals is missing", admission.ErrUnproven)
	}
	return time.Time(p), nil
}

// behind says who asked through others.
type behind []string

func (b behind) Behind(context.Context, string, []string, []v1alpha1.Approval) ([]string, error) {
	return b, nil
}

// counting counts the writes of the controller.
type counting struct {
	client.Client
	writes int
}

func (c *counting) Status() client.SubResourceWriter { c.writes++; return c.Client.Status() }

type world struct {
	t          *testing.T
	client     *counting
	namespace  string
	log        *memoryLog
	events     *events.FakeRecorder
	reconciler *approval.Reconciler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cluster := shared.Get(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}
	if err := cluster.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, client: &counting{Client: cluster.Client}, namespace: namespace.Name, log: &memoryLog{}, events: events.NewFakeRecorder(64)}
	w.reconciler = &approval.Reconciler{Dependencies: approval.Dependencies{
		Client: w.client, Admission: proof(time.Now().Add(-time.Hour)), Requesters: behind{}, Log: w.log, Events: w.events, Clock: clock.RealClock{},
	}}
	return w
}

// action that waits for a senior, with its plan.
func (w *world) action(name string, alter func(*v1alpha1.ResponseActionStatus)) {
	w.t.Helper()
	a := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.ResponseActionSpec{
			Use:    &v1alpha1.ActionUse{Connector: "tool", Operation: "isolate", With: &runtime.RawExtension{Raw: []byte(`{}`)}},
			Reason: "a shell", RequestedBy: "mallory",
		},
	}
	if err := w.client.Create(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
	a.Status = v1alpha1.ResponseActionStatus{
		Plan: &v1alpha1.Plan{
			Digest: digest, Target: v1alpha1.TargetReference{Kind: "Pod", Name: "web-0"}, Summary: "isolate", Risk: v1alpha1.RiskHigh,
			Undo: v1alpha1.UndoReversible, PlannedAt: metav1.NowMicro(),
		},
		Decision: &v1alpha1.Decision{Outcome: v1alpha1.DecisionRequire, Tier: v1alpha1.TierSenior, Approvals: 1},
	}
	if alter != nil {
		alter(&a.Status)
	}
	if err := w.client.Client.Status().Update(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) approve(name, action, by string, tier v1alpha1.Tier, planDigest string) {
	w.t.Helper()
	a := &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.ApprovalSpec{
			Action: action, PlanDigest: planDigest, Decision: v1alpha1.Approve, Tier: tier, Approver: by, Reason: "looked at it, token=abcdefghijklmnop",
		},
	}
	if err := w.client.Create(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pass(name string) (reconcile.Result, error) {
	return w.reconciler.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Namespace: w.namespace, Name: name}})
}

// ruling reconciles and returns the Counted condition.
func (w *world) ruling(name string) metav1.Condition {
	w.t.Helper()
	if _, err := w.pass(name); err != nil {
		w.t.Fatal(err)
	}
	a := &v1alpha1.Approval{}
	if err := w.client.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, a); err != nil {
		w.t.Fatal(err)
	}
	counted := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionCounted)
	if counted == nil {
		w.t.Fatalf("no Counted condition: %+v", a.Status)
	}
	if ready := meta.IsStatusConditionTrue(a.Status.Conditions, v1alpha1.ConditionReady); ready != (counted.Status == metav1.ConditionTrue) {
		w.t.Errorf("Ready is %t, Counted is %s", ready, counted.Status)
	}
	return *counted
}

func TestEveryApprovalIsToldWhetherItCounts(t *testing.T) {
	const senior, analyst = v1alpha1.TierSenior, v1alpha1.TierAnalyst
	begun := func(counted ...v1alpha1.CountedApproval) func(*v1alpha1.ResponseActionStatus) {
		return func(s *v1alpha1.ResponseActionStatus) {
			s.Approvals, s.Execution = counted, &v1alpha1.Execution{Key: "k", StartedAt: metav1.NowMicro()}
		}
	}
	cases := map[string]struct {
		setup    func(w *world)
		unproven bool
		want     string
		says     string
	}{
		"counts": {
			setup: func(w *world) { w.action("act", nil); w.approve("it", "act", "alice", senior, digest) },
			want:  v1alpha1.ReasonCounted, says: "counts until",
		},
		"no such action": {
			setup: func(w *world) { w.approve("it", "act", "alice", senior, digest) },
			want:  v1alpha1.ReasonActionNotFound, says: "spec.action: there is no ResponseAction act",
		},
		"another plan": {
			setup: func(w *world) { w.action("act", nil); w.approve("it", "act", "alice", senior, strings.Repeat("b", 64)) },
			want:  v1alpha1.ReasonStalePlan, says: "look at it and decide again",
		},
		"before there is a plan": {
			setup: func(w *world) {
				w.action("act", func(s *v1alpha1.ResponseActionStatus) { s.Plan, s.Decision = nil, nil })
				w.approve("it", "act", "alice", senior, digest)
			},
			want: v1alpha1.ReasonStalePlan, says: "has no plan yet",
		},
		"by the requester": {
			setup: func(w *world) { w.action("act", nil); w.approve("it", "act", "mallory", senior, digest) },
			want:  v1alpha1.ReasonSelfApproval, says: "somebody else must",
		},
		"at too low a tier": {
			setup: func(w *world) { w.action("act", nil); w.approve("it", "act", "alice", analyst, digest) },
			want:  v1alpha1.ReasonTierTooLow, says: "tier senior is needed",
		},
		"twice": {
			setup: func(w *world) {
				w.action("act", nil)
				w.approve("a-first", "act", "alice", senior, digest)
				w.approve("it", "act", "alice", senior, digest)
			},
			want: v1alpha1.ReasonDuplicate, says: "alice counts once",
		},
		"while admission is not proven": {
			setup:    func(w *world) { w.action("act", nil); w.approve("it", "act", "alice", senior, digest) },
			unproven: true, want: v1alpha1.ReasonAdmissionUnproven, says: "tocsin-approvals is missing",
		},
		"of what the policies allow": {
			setup: func(w *world) {
				w.action("act", func(s *v1alpha1.ResponseActionStatus) { s.Decision.Outcome = v1alpha1.DecisionAllow })
				w.approve("it", "act", "alice", senior, digest)
			},
			want: v1alpha1.ReasonNotAwaited, says: "the policies say Allow",
		},
		"too late": {
			setup: func(w *world) { w.action("act", begun()); w.approve("it", "act", "alice", senior, digest) },
			want:  v1alpha1.ReasonNotAwaited, says: "came too late",
		},
		"counted when it was decided": {
			setup: func(w *world) {
				w.action("act", begun(v1alpha1.CountedApproval{Name: "it", Approver: "alice", Tier: senior, Decision: v1alpha1.Approve}))
				w.approve("it", "act", "alice", senior, digest)
			},
			want: v1alpha1.ReasonCounted, says: "counted when",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.unproven {
				w.reconciler.Admission = proof{}
			}
			tc.setup(w)
			got := w.ruling("it")
			if got.Reason != tc.want || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %s: %s; want %s: ...%s", got.Reason, got.Message, tc.want, tc.says)
			}
			if len(w.log.entries) != 1 || w.log.entries[0].Type != audit.TypeApproval || w.log.entries[0].Data["ruling"] != tc.want {
				t.Errorf("log: %+v", w.log.entries)
			}
			if reason, _ := w.log.entries[0].Data["reason"].(string); strings.Contains(reason, "abcdefghijklmnop") {
				t.Errorf("a secret is in the log: %s", reason)
			}
			if len(w.events.Events) == 0 {
				t.Error("no event")
			}
		})
	}
}

func TestARulingIsWrittenOnceAndWhenItChanges(t *testing.T) {
	w := newWorld(t)
	w.action("act", nil)
	w.approve("it", "act", "alice", v1alpha1.TierSenior, digest)
	for range 3 {
		w.ruling("it")
	}
	if w.client.writes != 1 || len(w.log.entries) != 1 {
		t.Fatalf("%d writes and %d entries, want one each", w.client.writes, len(w.log.entries))
	}
	var a v1alpha1.ResponseAction
	if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "act"}, &a); err != nil {
		t.Fatal(err)
	}
	a.Status.Plan.Digest = strings.Repeat("c", 64)
	if err := w.client.Client.Status().Update(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	if got := w.ruling("it"); got.Reason != v1alpha1.ReasonStalePlan || got.Status != metav1.ConditionFalse {
		t.Errorf("got %+v, want it to count no longer", got)
	}
}

func TestARulingIsLoggedBeforeItIsSaid(t *testing.T) {
	w := newWorld(t)
	w.action("act", nil)
	w.approve("it", "act", "alice", v1alpha1.TierSenior, digest)
	w.log.err = errors.New("disk full")
	if _, err := w.pass("it"); !errors.Is(err, w.log.err) {
		t.Fatalf("got %v, want %v for the back-off", err, w.log.err)
	}
	if w.client.writes != 0 {
		t.Error("said before it was logged")
	}
	w.log.err = nil
	w.ruling("it")
}

// unreachable is an API server that does not answer whether admission is in force.
type unreachable struct{}

func (unreachable) Since(context.Context) (time.Time, error) {
	return time.Time{}, errors.New("connection refused")
}

func TestAnAPIServerThatDoesNotAnswerRulesNothing(t *testing.T) {
	w := newWorld(t)
	w.action("act", nil)
	w.approve("it", "act", "alice", v1alpha1.TierSenior, digest)
	w.reconciler.Admission = unreachable{}
	if _, err := w.pass("it"); err == nil || w.client.writes != 0 || len(w.log.entries) != 0 {
		t.Errorf("got %v, %d writes, %d entries; want an error for the back-off and nothing said", err, w.client.writes, len(w.log.entries))
	}
}
