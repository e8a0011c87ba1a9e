package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// anotherUID is that of an object which took the target's name.
const anotherUID = "00000000-dead-4bee-8bad-000000000000"

func runActions(t *testing.T, responder connectors.Responder, actions []Action) {
	t.Run("unknown action", func(t *testing.T) {
		unknown := connectors.Request{Operation: "no-such-operation"}
		_, err := responder.Plan(t.Context(), unknown)
		wantError(t, err, connectors.ErrUnsupported, "no-such-operation")
		wantRefusal(t, responder, unknown, connectors.Plan{})
	})
	for _, a := range actions {
		s := &story{Action: a, responder: responder}
		t.Run(a.Request.Operation, func(t *testing.T) {
			for _, test := range []struct {
				name string
				run  func(*testing.T)
			}{
				{"a plan changes nothing", s.planChangesNothing},
				{"wrong arguments", s.wrongArguments},
				{"the effect is seen", s.effectIsSeen},
				{"twice is harmless", s.twiceIsHarmless},
				{"another object is left alone", s.anotherObject},
				{"the inverse restores", s.inverseRestores},
				{"cancelled", s.cancelled},
			} {
				t.Run(test.name, func(t *testing.T) {
					a.Prepare(t)
					test.run(t)
				})
			}
		})
	}
}

// story is an action with the connector it is tried on.
type story struct {
	Action
	responder connectors.Responder
}

func (s *story) planChangesNothing(t *testing.T) {
	before := s.Snapshot(t)
	first := s.plan(t, s.Request)
	second := s.plan(t, s.Request)
	wantSame(t, "the world after planning", before, s.Snapshot(t))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two plans of the same differ (-first +second):\n%s", diff)
	}
	if first.Done {
		t.Error("the plan is done before it was executed; the example must have something to do")
	}
	if first.Target.Kind == "" || first.Target.Name == "" || first.Target.UID == "" || first.Summary == "" || first.Diff == "" {
		t.Errorf("a plan has a target with kind, name and uid, a summary and a diff; got %+v", first)
	}
	s.inverseIsOffered(t, first)
	s.capturesAreOffered(t, first)
}

func (s *story) capturesAreOffered(t *testing.T, plan connectors.Plan) {
	for _, capture := range plan.Captures {
		o := find(t, s.responder, capture.Operation)
		if o.Mode != v1alpha1.OperationWrite || o.InverseOnly || capture.Target.UID == "" {
			t.Errorf("capture %s of %+v is of mode %s, want an action that can be asked for, on a target with a uid", o.Name, capture.Target, o.Mode)
		}
		if err := o.ValidateArguments(capture.Arguments); err != nil {
			t.Errorf("arguments of capture %s do not fit: %v", o.Name, err)
		}
	}
}

func (s *story) inverseIsOffered(t *testing.T, plan connectors.Plan) {
	reversible := s.reversible(t)
	if reversible && plan.Inverse == nil {
		t.Fatal("the operation is reversible, and the plan has no inverse")
	}
	if plan.Inverse == nil {
		return
	}
	inverse := inverseOf(t, plan)
	o := find(t, s.responder, inverse.Operation)
	if o.Mode != v1alpha1.OperationWrite {
		t.Errorf("inverse %s is of mode %s, want Write", o.Name, o.Mode)
	}
	if err := o.ValidateArguments(inverse.Arguments); err != nil {
		t.Errorf("arguments of inverse %s do not fit: %v", o.Name, err)
	}
}

// reversible: what is irreversible may have an inverse too, which puts back what it can.
func (s *story) reversible(t *testing.T) bool {
	t.Helper()
	return find(t, s.responder, s.Request.Operation).Undo == v1alpha1.UndoReversible
}

func (s *story) wrongArguments(t *testing.T) {
	before := s.Snapshot(t)
	plan := s.plan(t, s.Request)
	testArguments(t, s.Request.Arguments, func(wrong map[string]any) error {
		request := s.Request
		request.Arguments = wrong
		wantRefusal(t, s.responder, request, plan)
		_, err := s.responder.Plan(t.Context(), request)
		return err
	})
	wantSame(t, "the world after wrong arguments", before, s.Snapshot(t))
}

func (s *story) effectIsSeen(t *testing.T) {
	plan := s.plan(t, s.Request)
	s.wantEffect(t, s.Request, plan.Target, connectors.EffectAbsent)
	s.execute(t, s.Request, plan)
	s.wantEffect(t, s.Request, plan.Target, connectors.EffectPresent)
	if again := s.plan(t, s.Request); !again.Done || again.Inverse != nil {
		t.Errorf("after the execution a plan is done and has nothing to take back; got %+v", again)
	}
}

func (s *story) twiceIsHarmless(t *testing.T) {
	plan := s.plan(t, s.Request)
	s.execute(t, s.Request, plan)
	once := s.Snapshot(t)
	result, err := s.responder.Execute(t.Context(), s.Request, plan)
	if err != nil || (result.Outcome != v1alpha1.OutcomeSucceeded && result.Outcome != v1alpha1.OutcomeSkipped) {
		t.Errorf("the second execution: got %+v, %v; want Succeeded or Skipped", result, err)
	}
	wantSame(t, "the world after the second execution", once, s.Snapshot(t))
}

func (s *story) anotherObject(t *testing.T) {
	plan := s.plan(t, s.Request)
	before := s.Snapshot(t)
	for _, uid := range []string{anotherUID, ""} {
		plan.Target.UID = uid
		wantRefusal(t, s.responder, s.Request, plan)
	}
	wantSame(t, "the world after the refusal", before, s.Snapshot(t))
}

func (s *story) inverseRestores(t *testing.T) {
	before := s.Snapshot(t)
	plan := s.plan(t, s.Request)
	s.execute(t, s.Request, plan)
	changed := s.Snapshot(t)
	if bytes.Equal(before, changed) {
		t.Error("the snapshot does not show what was changed")
	}
	if plan.Inverse == nil {
		return
	}
	inverse := inverseOf(t, plan)
	back := s.plan(t, inverse)
	wantSame(t, "the world after planning the inverse", changed, s.Snapshot(t))
	if s.reversible(t) {
		s.wantEffect(t, inverse, back.Target, connectors.EffectAbsent)
	}
	s.execute(t, inverse, back)
	if s.reversible(t) {
		wantSame(t, "the world after the inverse", before, s.Snapshot(t))
	}
	s.wantEffect(t, inverse, back.Target, connectors.EffectPresent)
	if again := s.plan(t, inverse); !again.Done {
		t.Errorf("after the inverse its plan is done; got %+v", again)
	}
}

func (s *story) cancelled(t *testing.T) {
	plan := s.plan(t, s.Request)
	before := s.Snapshot(t)
	ctx := cancelled(t)
	_, err := s.responder.Plan(ctx, s.Request)
	wantError(t, err, context.Canceled)
	if result, err := s.responder.Execute(ctx, s.Request, plan); err == nil && result.Outcome != v1alpha1.OutcomeFailed {
		t.Errorf("Execute: got %+v; want an error or Failed", result)
	}
	wantSame(t, "the world after a cancelled execution", before, s.Snapshot(t))
	_, err = s.responder.Observe(ctx, s.Request, plan.Target)
	wantError(t, err, context.Canceled)
}

func (s *story) plan(t *testing.T, request connectors.Request) connectors.Plan {
	t.Helper()
	plan, err := s.responder.Plan(t.Context(), request)
	if err != nil {
		t.Fatalf("planning %s: %v", request.Operation, err)
	}
	return plan
}

func (s *story) execute(t *testing.T, request connectors.Request, plan connectors.Plan) {
	t.Helper()
	result, err := s.responder.Execute(t.Context(), request, plan)
	if err != nil || result.Outcome != v1alpha1.OutcomeSucceeded || result.Message == "" {
		t.Fatalf("executing %s: got %+v, %v; want Succeeded with a message", request.Operation, result, err)
	}
}

func (s *story) wantEffect(t *testing.T, request connectors.Request, target v1alpha1.TargetReference, want connectors.Effect) {
	t.Helper()
	got, err := s.responder.Observe(t.Context(), request, target)
	if err != nil || got != want {
		t.Errorf("observing %s: got %s, %v; want %s", request.Operation, got, err, want)
	}
}

// wantRefusal: that nothing was done is certain, so it is a Failed result and no error.
func wantRefusal(t *testing.T, responder connectors.Responder, request connectors.Request, plan connectors.Plan) {
	t.Helper()
	result, err := responder.Execute(t.Context(), request, plan)
	if err != nil || result.Outcome != v1alpha1.OutcomeFailed || result.Message == "" {
		t.Errorf("executing %s: got %+v, %v; want Failed with a message", request.Operation, result, err)
	}
}

func wantSame(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func inverseOf(t *testing.T, plan connectors.Plan) connectors.Request {
	t.Helper()
	request := connectors.Request{Operation: plan.Inverse.Operation, Key: "undo"}
	if err := json.Unmarshal(plan.Inverse.Arguments, &request.Arguments); err != nil {
		t.Fatalf("arguments of inverse %s: %v", plan.Inverse.Operation, err)
	}
	return request
}
