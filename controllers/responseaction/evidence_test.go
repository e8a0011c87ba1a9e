package responseaction_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// newDestroyer is a world whose operation delete destroys what capture keeps.
func newDestroyer(t *testing.T) *world {
	w := newWorld(t)
	w.tool.Offer(fake.Action{Name: "capture", Risk: v1alpha1.RiskLow, Irreversible: true})
	w.tool.Foretell(func(p *connectors.Plan) {
		if strings.HasPrefix(p.Summary, "delete ") {
			p.Captures = []connectors.Capture{{Target: p.Target, Operation: "capture", Arguments: map[string]any{"target": "shop/web-0"}}}
		}
	})
	return w
}

// captures that were made for another action.
func (w *world) captures() []v1alpha1.ResponseAction {
	w.t.Helper()
	var made v1alpha1.ResponseActionList
	if err := w.client.List(w.t.Context(), &made, client.InNamespace(w.namespace), client.HasLabels{v1alpha1.LabelEvidenceOf}); err != nil {
		w.t.Fatal(err)
	}
	return made.Items
}

// capture is the one that was made.
func (w *world) capture() string {
	w.t.Helper()
	made := w.captures()
	if len(made) != 1 {
		w.t.Fatalf("%d captures, want one", len(made))
	}
	return made[0].Name
}

func (w *world) expectEvidence(action *v1alpha1.ResponseAction, status metav1.ConditionStatus, reason, message string) {
	w.t.Helper()
	c := meta.FindStatusCondition(action.Status.Conditions, v1alpha1.ConditionEvidenceCaptured)
	if c == nil || c.Status != status || c.Reason != reason || !strings.Contains(c.Message, message) {
		w.t.Fatalf("EvidenceCaptured is %+v, want %s %s: ...%s", c, status, reason, message)
	}
}

// executed are the operations that the tool was asked for, in order.
func (w *world) executed() []string {
	var done []string
	for _, c := range w.tool.Calls() {
		if c.Method == "Execute" {
			done = append(done, c.Operation)
		}
	}
	return done
}

func inCase(a *v1alpha1.ResponseAction) {
	a.Spec.Investigation, a.Labels = "case", map[string]string{v1alpha1.LabelInvestigation: "case"}
}

func TestEvidenceIsCapturedBeforeItIsDestroyed(t *testing.T) {
	for name, alter := range map[string]func(*v1alpha1.ResponseAction){"in a case": inCase, "outside one": func(*v1alpha1.ResponseAction) {}} {
		t.Run(name, func(t *testing.T) {
			w := newDestroyer(t)
			w.ask("act", "delete", alter)
			for range 3 {
				w.expect(w.must("act"), v1alpha1.ReasonAuthorized, "evidence is captured first, for a minute at most: Thing shop/web-0 by act-evidence-")
			}
			waiting := w.get("act")
			w.expectEvidence(waiting, metav1.ConditionFalse, v1alpha1.ReasonCapturing, "Thing shop/web-0 by act-evidence-")
			if waiting.Status.Execution != nil || w.executions() != 0 {
				t.Fatalf("begun before the evidence was captured: %v", w.executed())
			}
			if said := waiting.Status.Plan.Evidence; said != "evidence of Thing shop/web-0 is captured first" {
				t.Errorf("the plan says %q", said)
			}

			capture := w.get(w.capture())
			if capture.Spec.Investigation != waiting.Spec.Investigation || capture.Labels[v1alpha1.LabelInvestigation] != waiting.Labels[v1alpha1.LabelInvestigation] ||
				capture.Spec.RequestedBy != "evidence:act for playbook:shell" || capture.Labels[v1alpha1.LabelEvidenceOf] != "u1" {
				t.Errorf("the capture is %+v %+v", capture.ObjectMeta, capture.Spec)
			}
			w.expect(w.must(capture.Name), v1alpha1.ReasonSucceeded, "capture shop/web-0")
			got := w.must("act")
			w.expect(got, v1alpha1.ReasonSucceeded, "delete shop/web-0")
			w.expectEvidence(got, metav1.ConditionTrue, v1alpha1.ReasonCaptured, "Thing shop/web-0 by "+capture.Name)
			if done := w.executed(); !slices.Equal(done, []string{"capture", "delete"}) {
				t.Errorf("executed %v", done)
			}
			if types := w.log.types(); types != "decision intent result intent result" {
				t.Errorf("log: %s", types)
			}
			if said := w.log.all()[3].Data["evidenceBefore"]; said != "Captured: Thing shop/web-0 by "+capture.Name {
				t.Errorf("the intent says %v of evidence", said)
			}
		})
	}
}

// Whoever can make a capture fail must not thereby keep anything alive.
func TestWhatCannotBeCapturedHoldsNothingUp(t *testing.T) {
	tests := map[string]struct {
		// before the action is looked at, and before the capture is.
		before, meanwhile func(w *world)
		reason, message   string
		captures          int
		expires           time.Duration
	}{
		"denied by a policy": {
			before: func(w *world) {
				w.decisions["capture"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny, Reasons: []string{"p: no looking"}}
			},
			reason: v1alpha1.ReasonNotCaptured, message: "stands at Denied: p: no looking", captures: 1,
		},
		"waits for a human": {
			before: func(w *world) { w.decisions["capture"] = requireTier(v1alpha1.TierSenior, 1) },
			meanwhile: func(w *world) {
				w.expect(w.must(w.capture()), v1alpha1.ReasonWaitingForApproval, "")
				w.expect(w.must("act"), v1alpha1.ReasonAuthorized, "evidence is captured first")
				w.clock.SetTime(w.get("act").CreationTimestamp.Add(time.Minute + 2*time.Second))
			},
			reason: v1alpha1.ReasonNotCaptured, message: "act-evidence-", captures: 1,
		},
		"nobody works on it": {
			meanwhile: func(w *world) { w.clock.SetTime(w.get("act").CreationTimestamp.Add(time.Minute + 2*time.Second)) },
			reason:    v1alpha1.ReasonNotCaptured, message: "act-evidence-", captures: 1,
		},
		"it would expire meanwhile": {
			expires: 8 * time.Second,
			before:  func(w *world) { w.clock.SetTime(w.get("act").CreationTimestamp.Add(4 * time.Second)) },
			reason:  v1alpha1.ReasonNotCaptured, message: "it would expire meanwhile", captures: 1,
		},
		"no right": {
			meanwhile: func(w *world) {
				for range 2 {
					w.tool.At(fake.AtPlan, func() error { return fmt.Errorf("%w: pods/log", connectors.ErrForbidden) })
				}
			},
			reason: v1alpha1.ReasonNotCaptured, message: "stands at Forbidden: forbidden: pods/log", captures: 1,
		},
		"the archive is full": {
			meanwhile: func(w *world) {
				w.tool.At(fake.AtExecute, func() error { return fmt.Errorf("%w: no room", connectors.ErrConflict) })
			},
			reason: v1alpha1.ReasonNotCaptured, message: "stands at Failed: not done: conflict: no room", captures: 1,
		},
		"nobody knows": {
			meanwhile: func(w *world) {
				w.tool.At(fake.AtHalf, func() error { return fmt.Errorf("%w: gone", connectors.ErrConflict) })
			},
			reason: v1alpha1.ReasonNotCaptured, message: "stands at Unknown", captures: 1,
		},
		"the namespace has hardly any actions left": {
			before: func(w *world) { w.rails.HourlyCap = 1; w.restart() },
			reason: v1alpha1.ReasonNotCaptured, message: "has only 1 of its actions an hour left",
		},
		"somebody took the name": {
			before: func(w *world) {
				act := w.get("act")
				w.ask(response.CaptureName(act, v1alpha1.TargetReference{UID: "u1"}), "label", func(a *v1alpha1.ResponseAction) {
					a.Spec.Investigation, a.Spec.RequestedBy = "other", "mallory"
				})
			},
			reason: v1alpha1.ReasonNotCaptured, message: "exists and was not made for it",
		},
		"a policy says so": {
			before: func(w *world) {
				w.decisions["delete"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Reasons: []string{"p: fine"}, SkipEvidence: []string{"p: nothing to see"}}
			},
			reason: v1alpha1.ReasonSkippedByPolicy, message: "p: nothing to see",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newDestroyer(t)
			w.ask("act", "delete", inCase, func(a *v1alpha1.ResponseAction) {
				a.Spec.ExpiresAfter = &metav1.Duration{Duration: cmp.Or(tt.expires, time.Hour)}
			})
			if tt.before != nil {
				tt.before(w)
			}
			w.must("act")
			if tt.meanwhile != nil {
				tt.meanwhile(w)
			}
			for _, c := range w.captures() {
				_, _ = w.pass(c.Name)
				_, _ = w.pass(c.Name)
			}
			got := w.must("act")
			w.expect(got, v1alpha1.ReasonSucceeded, "delete shop/web-0")
			w.expectEvidence(got, metav1.ConditionFalse, tt.reason, tt.message)
			if n := len(w.captures()); n != tt.captures {
				t.Errorf("%d captures, want %d", n, tt.captures)
			}
			loud := slices.ContainsFunc(w.told(), func(e string) bool { return strings.HasPrefix(e, "Warning NotCaptured") })
			if want := tt.reason == v1alpha1.ReasonNotCaptured; loud != want {
				t.Errorf("a warning was given: %t, want %t", loud, want)
			}
		})
	}
}

func TestWhatThePlanSaysOfEvidenceThatAPolicySkips(t *testing.T) {
	w := newDestroyer(t)
	d := requireTier(v1alpha1.TierSenior, 1)
	d.SkipEvidence = []string{"p: nothing to see"}
	w.decisions["delete"] = d
	w.ask("act", "delete", inCase)
	if said := w.must("act").Status.Plan.Evidence; said != "evidence of Thing shop/web-0 is not captured first: p: nothing to see" {
		t.Errorf("the plan says %q", said)
	}
}

func TestNothingIsCapturedTwice(t *testing.T) {
	tests := map[string]struct {
		alter func(*v1alpha1.ResponseAction)
		after time.Duration
		want  int
	}{
		"for the same case":         {inCase, 0, 1},
		"for the same case, before": {inCase, 16 * time.Minute, 2},
		"for another case":          {func(a *v1alpha1.ResponseAction) { a.Spec.Investigation = "other" }, 0, 2},
		"outside a case":            {func(*v1alpha1.ResponseAction) {}, 0, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newDestroyer(t)
			w.ask("look", "capture", tt.alter)
			w.expect(w.must("look"), v1alpha1.ReasonSucceeded, "")
			w.clock.Step(tt.after)
			w.ask("act", "delete", inCase)
			w.must("act")
			if got := 1 + len(w.captures()); got != tt.want {
				t.Errorf("%d captures, want %d", got, tt.want)
			}
		})
	}
	t.Run("two that destroy it at once", func(t *testing.T) {
		w := newDestroyer(t)
		w.ask("one", "delete", inCase)
		w.ask("two", "delete", inCase)
		w.must("one")
		w.must("two")
		w.must(w.capture())
		w.must("one")
		w.expectEvidence(w.must("two"), metav1.ConditionFalse, v1alpha1.ReasonCapturing, "by one-evidence-")
		if w.tool.Changes("capture") != 1 {
			t.Errorf("captured %d times", w.tool.Changes("capture"))
		}
	})
}

// A capture has no place in the order of its case.
func TestNothingElseWaitsForACapture(t *testing.T) {
	w := newDestroyer(t)
	w.decisions["capture"] = requireTier(v1alpha1.TierSenior, 1)
	w.ask("act", "delete", inCase, func(a *v1alpha1.ResponseAction) { a.Spec.Order = 1 })
	w.must("act")
	w.expect(w.must(w.capture()), v1alpha1.ReasonWaitingForApproval, "")
	w.expect(w.must("act"), v1alpha1.ReasonAuthorized, "evidence is captured first")
	w.ask("next", "isolate", inCase, func(a *v1alpha1.ResponseAction) { a.Spec.Order = 1 })
	w.expect(w.must("next"), v1alpha1.ReasonSucceeded, "")
}

func TestACrashBetweenCaptureAndDestructionDoesEachOnce(t *testing.T) {
	died := map[string]bool{}
	for n := 1; ; n++ {
		w := newDestroyer(t)
		w.ask("act", "delete", inCase)
		where := w.liveWithCapture(n)
		if where == "" {
			break
		}
		died[where] = true
		if w.tool.Changes("capture") != 1 || w.tool.Changes("delete") != 1 || len(w.captures()) != 1 {
			t.Errorf("died %s: captured %d times by %d actions, destroyed %d times", where, w.tool.Changes("capture"), len(w.captures()), w.tool.Changes("delete"))
		}
		done := w.executed()
		if first := slices.Index(done, "delete"); slices.Contains(done[first:], "capture") {
			t.Errorf("died %s: executed %v", where, done)
		}
	}
	for _, want := range []string{"before create", "after create", "after status write", "before the execution", "after the execution", "after append of intent"} {
		if !died[want] {
			t.Errorf("never died %s", want)
		}
	}
}

// liveWithCapture is live for an action and what captures before it.
func (w *world) liveWithCapture(n int) string {
	w.t.Helper()
	f := &fuse{left: n}
	w.registry.Set(w.namespace, "tool", watchedTool{w.tool, w, "act", f})
	process := w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
	for range 30 {
		names := []string{"act"}
		for _, c := range w.captures() {
			names = append(names, c.Name)
		}
		for _, name := range names {
			if w.dies(process, name) {
				process = w.with(mortal{w.client, w, f}, mortalLog{w.log, f})
			}
		}
		w.clock.Step(time.Second)
		if got := w.get("act"); response.Settled(got) && got.Status.Result.LogIndex != nil {
			return f.where
		}
	}
	w.t.Fatalf("died %s, and is not settled: %+v", f.where, w.get("act").Status)
	return ""
}

func TestTheEndOfACaptureWakesWhatWaitsForIt(t *testing.T) {
	w := newDestroyer(t)
	w.start()
	w.ask("act", "delete", inCase)
	w.expectEvidence(w.until("act", v1alpha1.ReasonSucceeded), metav1.ConditionTrue, v1alpha1.ReasonCaptured, "")
	if done := w.executed(); !slices.Equal(done, []string{"capture", "delete"}) {
		t.Errorf("executed %v", done)
	}
}
