package responseaction_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// ordered is an undo of a case's.
func (w *world) ordered(name, of string, order int32) {
	w.t.Helper()
	w.ask(name, "", func(a *v1alpha1.ResponseAction) {
		a.Spec.Use, a.Spec.Undo, a.Spec.RequestedBy = nil, of, "dave"
		a.Spec.Investigation, a.Spec.Order = "case", order
	})
}

func (w *world) inCase(a *v1alpha1.ResponseAction) { a.Spec.Investigation, a.Spec.Order = "case", 5 }

func TestUndosOfACaseGoInOrder(t *testing.T) {
	w := newWorld(t)
	w.ask("first", "label", w.inCase)
	w.ask("second", "isolate", w.inCase)
	w.must("first")
	w.must("second")
	w.ask("third", "delete", func(a *v1alpha1.ResponseAction) { a.Spec.Investigation = "case" }) // nobody's undo waits for it
	w.ordered("back-1", "second", 1)
	w.ordered("back-2", "first", 2)
	w.expect(w.must("back-2"), v1alpha1.ReasonPlanning, "waits for back-1 (order 1)")
	w.expect(w.must("back-1"), v1alpha1.ReasonSucceeded, "")
	w.expect(w.must("back-2"), v1alpha1.ReasonSucceeded, "")
	w.ask("fourth", "isolate", w.inCase, func(a *v1alpha1.ResponseAction) { a.Spec.Order = 6 })
	w.must("third")
	w.expect(w.must("fourth"), v1alpha1.ReasonSucceeded, "") // it waits for no undo
}

func TestUndosOfACaseStopAtOneThatDoesNotComeAbout(t *testing.T) {
	w := newWorld(t)
	w.ask("first", "label", w.inCase)
	w.ask("second", "isolate", w.inCase)
	w.must("first")
	w.must("second")
	w.decisions["undo-isolate"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny, Reasons: []string{"test: it stays"}}
	w.ordered("back-1", "second", 1)
	w.ordered("back-2", "first", 2)
	w.expect(w.must("back-1"), v1alpha1.ReasonDenied, "")
	w.expect(w.must("back-2"), v1alpha1.ReasonBlocked, "back-1 (order 1), which takes back what was done later, is Denied")
	w.undo("by-hand", "second", "carol")
	delete(w.decisions, "undo-isolate")
	w.must("by-hand")
	w.must("by-hand") // tells the action that it is undone
	w.expect(w.must("back-2"), v1alpha1.ReasonSucceeded, "")
}

func TestUndosOfACaseGoOnWithoutOneThatIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.ask("first", "label", w.inCase)
	w.must("first")
	w.ordered("back-1", "gone", 1)
	w.ordered("back-2", "first", 2)
	w.expect(w.must("back-1"), v1alpha1.ReasonInvalidSpec, "there is no ResponseAction gone")
	w.expect(w.must("back-2"), v1alpha1.ReasonBlocked, "is InvalidSpec")
	if err := w.client.Delete(t.Context(), w.get("back-1")); err != nil {
		t.Fatal(err)
	}
	w.expect(w.must("back-2"), v1alpha1.ReasonSucceeded, "")
}
