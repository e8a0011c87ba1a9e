package responseaction_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/controllers/responseaction"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// crash is what a killed process panics with in these tests.
type crash struct{ where string }

// fuse kills the process at its n-th outside effect: an even n before the effect
// takes place, an odd one after it did and before anybody knows.
type fuse struct {
	left  int
	where string
}

func (f *fuse) burn(where string) {
	f.left--
	if f.left == 0 {
		f.where = where
		panic(crash{where})
	}
}

// around puts the fuse before and after an effect.
func around[T any](f *fuse, what string, effect func() T) T {
	f.burn("before " + what)
	result := effect()
	f.burn("after " + what)
	return result
}

// mortal is a process whose every outside effect may be its last.
type mortal struct {
	client.Client
	w    *world
	fuse *fuse
}

func (m mortal) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	return around(m.fuse, "create", func() error { return m.Client.Create(ctx, o, options...) })
}

func (m mortal) Status() client.SubResourceWriter {
	return mortalStatus{m.Client.Status(), m.fuse}
}

type mortalStatus struct {
	client.SubResourceWriter
	fuse *fuse
}

func (m mortalStatus) Update(ctx context.Context, o client.Object, options ...client.SubResourceUpdateOption) error {
	return around(m.fuse, "status write", func() error { return m.SubResourceWriter.Update(ctx, o, options...) })
}

type mortalLog struct {
	*memoryLog
	fuse *fuse
}

func (m mortalLog) Append(ctx context.Context, e audit.Entry) (int64, error) {
	type result struct {
		index int64
		err   error
	}
	r := around(m.fuse, "append of "+string(e.Type), func() result {
		index, err := m.memoryLog.Append(ctx, e)
		return result{index, err}
	})
	return r.index, r.err
}

// watchedTool checks at the moment of every execution what must hold by then.
type watchedTool struct {
	*fake.Connector
	w    *world
	name string
	fuse *fuse
}

func (c watchedTool) Execute(ctx context.Context, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	if request.Operation == "isolate" {
		c.check(request, plan)
	}
	c.fuse.burn("before the execution")
	c.At(fake.AtHalf, func() error { c.fuse.burn("half way through the execution"); return nil })
	result, err := c.Connector.Execute(ctx, request, plan)
	c.fuse.burn("after the execution")
	return result, err
}

func (c watchedTool) check(request connectors.Request, plan connectors.Plan) {
	status := c.w.get(c.name).Status
	entries := c.w.log.all()
	switch {
	case c.Marked("shop/web-0", "isolate"):
		c.w.t.Errorf("executed although it was done")
	case status.Execution == nil || status.Result != nil:
		c.w.t.Errorf("executed without its marker in the API server: %+v", status)
	case entries[status.Execution.IntentIndex].Type != audit.TypeIntent || entries[status.Execution.IntentIndex].Digest != status.Plan.Digest:
		c.w.t.Errorf("executed without its intent in the log: %+v", entries[status.Execution.IntentIndex])
	case status.Inverse == nil || !strings.Contains(string(status.Inverse.Raw), "undo-isolate"):
		c.w.t.Errorf("executed without the way back: %s", status.Inverse)
	case request.Key != string(c.w.get(c.name).UID) || status.Execution.Key != request.Key:
		c.w.t.Errorf("executed under key %q, want the action's UID", request.Key)
	case plan.Inverse == nil || plan.Target.UID != "u1":
		c.w.t.Errorf("executed on a plan that lacks something: %+v", plan)
	}
}

// dies reconciles once, and says whether the process died of it.
func (w *world) dies(process *responseaction.Reconciler, name string) (died bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			died = true
		}
	}()
	_, _ = process.Reconcile(w.t.Context(), w.request(name)) // an error is tried again
	return false
}

// live runs an action to its end, with a process that dies at the n-th effect and
// is then restarted. It returns where it died; empty if it lived.
func (w *world) live(name string, n int) string {
	w.t.Helper()
	f := &fuse{left: n}
	w.registry.Set(w.namespace, "tool", watchedTool{w.tool, w, name, f})
	restart := func() *responseaction.Reconciler {
		return w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
	}
	process := restart()
	for range 30 {
		if w.dies(process, name) {
			process = restart()
			continue
		}
		w.clock.Step(time.Second)
		if got := w.get(name); response.Settled(got) && got.Status.Result.LogIndex != nil {
			return f.where
		}
	}
	w.t.Fatalf("not settled: %+v", w.get(name).Status)
	return ""
}

func TestACrashAnywhereExecutesOnce(t *testing.T) {
	cases := map[string]func(w *world, action string){
		"allowed": func(*world, string) {},
		"approved": func(w *world, action string) {
			w.decisions["isolate"] = requireTier(v1alpha1.TierAnalyst, 1)
			w.must(action)
			w.decideOn(action, "alice", v1alpha1.TierAnalyst, v1alpha1.Approve)
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			died := map[string]bool{}
			for n := 1; ; n++ {
				w := newWorld(t)
				w.ask("act", "isolate")
				prepare(w, "act")
				where := w.live("act", n)
				if where == "" {
					break // the fuse is longer than the action's life
				}
				died[where] = true
				checkOnce(t, w, where)
			}
			for _, want := range []string{
				"before append of intent", "after append of intent", "before status write", "after status write",
				"before the execution", "half way through the execution", "after the execution", "before append of result", "after append of result",
			} {
				if !died[want] {
					t.Errorf("never died %s", want)
				}
			}
		})
	}
}

func checkOnce(t *testing.T, w *world, where string) {
	t.Helper()
	got := w.get("act")
	if got.Status.Result.Outcome != v1alpha1.OutcomeSucceeded {
		t.Errorf("died %s: %+v, want Succeeded", where, got.Status.Result)
	}
	if !w.tool.Marked("shop/web-0", "isolate") || w.tool.Changes("isolate") != 1 {
		t.Errorf("died %s: changed %d times, want once", where, w.tool.Changes("isolate"))
	}
	entries := w.log.all()
	if index := *got.Status.Result.LogIndex; entries[index].Type != audit.TypeResult {
		t.Errorf("died %s: status.result.logIndex points to %+v", where, entries[index])
	}
}

// TestACrashAnywhereFromPlanToUndo dies at every effect of a life in which people approve the
// action and, when its time is over, its undo.
func TestACrashAnywhereFromPlanToUndo(t *testing.T) {
	died := map[string]bool{}
	for n := 1; ; n++ {
		w := newWorld(t)
		w.decisions["isolate"], w.decisions["undo-isolate"] = requireTier(v1alpha1.TierAnalyst, 1), requireTier(v1alpha1.TierAnalyst, 1)
		w.ask("act", "isolate", func(a *v1alpha1.ResponseAction) { a.Spec.UndoAfter = &metav1.Duration{Duration: time.Minute} })
		where := w.liveAndUndo(n)
		if where == "" {
			break
		}
		died[where] = true
		if w.tool.Marked("shop/web-0", "isolate") || w.tool.Changes("isolate") != 1 || w.tool.Changes("undo-isolate") != 1 {
			t.Errorf("died %s: done %d times, taken back %d times", where, w.tool.Changes("isolate"), w.tool.Changes("undo-isolate"))
		}
		if got := w.get("act").Status.UndoneBy; got != "act-undo" {
			t.Errorf("died %s: undone by %q", where, got)
		}
		if executions, intents := w.executions(), strings.Count(w.log.types(), string(audit.TypeIntent)); intents < 2 || executions > intents+1 {
			t.Errorf("died %s: executed %d times with the entries %s", where, executions, w.log.types())
		}
	}
	for _, want := range []string{
		"before create", "after create", "before append of decision", "after append of decision", "before append of intent",
		"half way through the execution", "before append of undo", "after append of undo", "after status write",
	} {
		if !died[want] {
			t.Errorf("never died %s", want)
		}
	}
}

// liveAndUndo is live for an action and the undo that it makes, which people approve as soon as they wait.
func (w *world) liveAndUndo(n int) string {
	w.t.Helper()
	f := &fuse{left: n}
	w.registry.Set(w.namespace, "tool", watchedTool{w.tool, w, "act", f})
	process := w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
	decided := map[string]bool{}
	for range 30 {
		for _, name := range []string{"act", "act-undo"} {
			if w.dies(process, name) {
				process = w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
			}
			action := &v1alpha1.ResponseAction{}
			if w.client.Get(w.t.Context(), w.key(name), action) == nil && !decided[name] && response.Standing(action) == v1alpha1.ReasonWaitingForApproval {
				decided[name] = true
				w.decideOn(name, "alice", v1alpha1.TierAnalyst, v1alpha1.Approve)
			}
		}
		w.clock.Step(10 * time.Second)
		if w.get("act").Status.UndoneBy != "" && w.get("act-undo").Status.Result.LogIndex != nil {
			return f.where
		}
	}
	w.t.Fatalf("died %s, and is not undone: %+v", f.where, w.get("act").Status)
	return ""
}

func TestACrashDuringUndoTakesBackOnce(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		w.ask("act", "isolate")
		w.must("act")
		w.undo("back", "act", "alice")
		f := &fuse{left: n}
		process := w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
		for range 10 {
			func() {
				defer func() {
					if p := recover(); p != nil {
						process = w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
					}
				}()
				_, _ = process.Reconcile(t.Context(), w.request("back"))
			}()
		}
		if got := w.get("act"); got.Status.UndoneBy != "back" || w.tool.Marked("shop/web-0", "isolate") || w.tool.Changes("undo-isolate") != 1 {
			t.Errorf("died %s: undone by %q, taken back %d times", f.where, got.Status.UndoneBy, w.tool.Changes("undo-isolate"))
		}
		if f.where == "" {
			break
		}
	}
}

func TestAnOutcomeThatCannotBeToldGoesToAHuman(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "isolate")
	lost := func() error { return fmt.Errorf("connection reset") }
	w.tool.At(fake.AtEnd, lost) // done, but nobody knows
	for range 10 {
		w.tool.At(fake.AtObserve, lost)
	}
	for range 3 {
		if _, err := w.pass("act"); err == nil {
			t.Fatal("want an error, for the back-off")
		}
	}
	w.clock.Step(2 * time.Minute)
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonUnknown, "whether it was done cannot be told: connection reset; look at the target")
	w.restart()
	w.must("act")
	if w.executions() != 1 {
		t.Errorf("executed %d times, want 1: an unknown outcome is never tried again", w.executions())
	}
}

func TestAFailedExecutionIsTriedAgainOnlyWhereNothingOfItIsThere(t *testing.T) {
	refused := func() error { return fmt.Errorf("connection refused") }
	cases := map[string]struct {
		script     func(*fake.Connector)
		passes     int
		executions int
		want       string
	}{
		"nothing was done, then it works": {
			script: func(c *fake.Connector) { c.At(fake.AtExecute, refused) },
			passes: 2, executions: 2, want: v1alpha1.ReasonSucceeded,
		},
		"nothing was done, time and again": {
			script: func(c *fake.Connector) {
				for range 3 {
					c.At(fake.AtExecute, refused)
				}
			},
			passes: 3, executions: 3, want: v1alpha1.ReasonFailed,
		},
		"half was done, then it is completed": {
			script: func(c *fake.Connector) { c.At(fake.AtHalf, refused) },
			passes: 2, executions: 2, want: v1alpha1.ReasonSucceeded,
		},
		"half was done, time and again": {
			script: func(c *fake.Connector) {
				for range 3 {
					c.At(fake.AtHalf, refused)
				}
			},
			passes: 3, executions: 3, want: v1alpha1.ReasonUnknown,
		},
		"half was done, and the rest is refused": {
			script: func(c *fake.Connector) {
				c.At(fake.AtHalf, refused)
				c.At(fake.AtExecute, func() error { return nil })
				c.At(fake.AtExecute, func() error { c.Put("shop/web-0", "u2"); return nil })
			},
			passes: 2, executions: 2, want: v1alpha1.ReasonUnknown,
		},
		"all was done, the answer was lost": {
			script: func(c *fake.Connector) { c.At(fake.AtEnd, refused) },
			passes: 1, executions: 1, want: v1alpha1.ReasonSucceeded,
		},
		"forbidden is not tried again": {
			script: func(c *fake.Connector) { c.At(fake.AtExecute, func() error { return connectors.ErrForbidden }) },
			passes: 1, executions: 1, want: v1alpha1.ReasonFailed,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ask("act", "isolate")
			tc.script(w.tool)
			for range tc.passes {
				_, _ = w.pass("act") // the errors are for the back-off
			}
			w.expect(w.get("act"), tc.want, "")
			if w.executions() != tc.executions {
				t.Errorf("%d executions, want %d", w.executions(), tc.executions)
			}
			if got := string(w.get("act").Status.Inverse.Raw); !strings.Contains(got, "undo-isolate") {
				t.Errorf("inverse %s", got)
			}
		})
	}
}

func TestAStopSwitchHoldsWhatACrashInterrupted(t *testing.T) {
	for name, point := range map[string]fake.Point{"before anything was done": fake.AtExecute, "half way": fake.AtHalf} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ask("act", "isolate")
			w.tool.At(point, func() error { return fmt.Errorf("connection refused") })
			_, _ = w.pass("act") // the error is for the back-off
			w.annotate(w.namespace, map[string]string{v1alpha1.AnnotationStop: "drill"})
			w.restart()
			w.expect(w.must("act"), v1alpha1.ReasonStopped, "")
			if w.executions() != 1 {
				t.Error("executed against the stop switch")
			}
			w.annotate(w.namespace, nil)
			w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
		})
	}
}

// stale serves an old version of one action, as a cache does that lags behind.
type stale struct {
	client.Client
	old *v1alpha1.ResponseAction
}

func (s stale) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if action, ok := o.(*v1alpha1.ResponseAction); ok && s.old != nil && key.Name == s.old.Name {
		s.old.DeepCopyInto(action)
		return nil
	}
	return s.Client.Get(ctx, key, o, options...)
}

func TestAStaleCacheNeverExecutesTwice(t *testing.T) {
	for name, sameProcess := range map[string]bool{"in the same process": true, "in a new process": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ask("act", "isolate")
			cache := &stale{Client: w.client}
			w.reconciler = w.with(cache, w.log)
			cache.old = w.get("act")
			w.must("act")
			logged := w.log.types()
			if !sameProcess {
				w.reconciler = w.with(cache, w.log)
				// The world may have changed back meanwhile: only the marker prevents the second execution.
				w.tool.Put("shop/web-0", "u1")
			}
			for range 3 {
				result, err := w.pass("act")
				if err != nil || result.RequeueAfter == 0 {
					t.Fatalf("got %+v, %v; want another look soon", result, err)
				}
			}
			if w.executions() != 1 {
				t.Errorf("%d executions, want 1", w.executions())
			}
			if sameProcess && w.log.types() != logged {
				t.Errorf("log grew to %s", w.log.types())
			}
		})
	}
}

func TestOneActionAtATimeOnATarget(t *testing.T) {
	w := newWorld(t)
	w.ask("one", "isolate")
	w.ask("two", "label")
	// While the first is half way, the second is reconciled by another worker.
	w.tool.At(fake.AtHalf, func() error {
		w.expect(w.must("two"), v1alpha1.ReasonAuthorized, "another action on the same target")
		return nil
	})
	w.expect(w.must("one"), v1alpha1.ReasonSucceeded, "")
	w.expect(w.must("two"), v1alpha1.ReasonSucceeded, "")
}

func TestNothingActsWhereAnOutcomeIsNotKnownYet(t *testing.T) {
	for name, crash := range map[string]bool{"in the same process": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ask("one", "isolate")
			w.ask("two", "label")
			lost := func() error { return fmt.Errorf("connection reset") }
			w.tool.At(fake.AtEnd, lost) // done, but nobody knows
			w.tool.At(fake.AtObserve, lost)
			if _, err := w.pass("one"); err == nil {
				t.Fatal("want an error, for the back-off")
			}
			if crash {
				w.restart()
			}
			w.expect(w.must("two"), v1alpha1.ReasonAuthorized, "another action on the same target")
			w.expect(w.must("one"), v1alpha1.ReasonSucceeded, "")
			w.expect(w.must("two"), v1alpha1.ReasonSucceeded, "")
		})
	}
}

func TestAnActionThatIsGoneKeepsNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	w.ask("one", "isolate")
	w.ask("two", "label")
	w.tool.At(fake.AtEnd, func() error { return fmt.Errorf("connection reset") })
	w.tool.At(fake.AtObserve, func() error { return fmt.Errorf("connection reset") })
	if _, err := w.pass("one"); err == nil {
		t.Fatal("want an error, for the back-off")
	}
	if err := w.client.Delete(t.Context(), w.get("one")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pass("one"); err != nil {
		t.Fatal(err)
	}
	w.expect(w.must("two"), v1alpha1.ReasonSucceeded, "")
}
