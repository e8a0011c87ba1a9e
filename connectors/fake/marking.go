package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// marking brings a mark on objects to a value: 2 to act, 0 to take back.
type marking struct {
	operation      operation.Operation
	mark, argument string
	kind, inverse  string
	to             int
}

// markings of an action: itself, and what takes it back.
func (a Action) markings() []marking {
	does := marking{mark: a.Name, argument: a.Argument, kind: a.Kind, to: 2}
	if does.argument == "" {
		does.argument = "target"
	}
	if does.kind == "" {
		does.kind = "Thing"
	}
	does.operation = operation.Operation{
		Name: a.Name, Summary: "Fake action " + a.Name, Mode: v1alpha1.OperationWrite, Risk: a.Risk, Undo: v1alpha1.UndoIrreversible,
		Arguments: `{"type": "object", "additionalProperties": false, "required": ["` + does.argument + `"],
			"properties": {"` + does.argument + `": {"type": "string", "minLength": 1}}}`,
		Result: `{"type": "object"}`,
	}
	if a.Irreversible {
		return []marking{does}
	}
	undoes := does
	undoes.operation.Name, undoes.operation.InverseOnly, undoes.to = "undo-"+a.Name, true, 0
	does.operation.Undo, does.inverse = v1alpha1.UndoReversible, undoes.operation.Name
	return []marking{does, undoes}
}

// Plan implements connectors.Responder.
func (c *Connector) Plan(ctx context.Context, request connectors.Request) (connectors.Plan, error) {
	c.record("Plan", request.Operation, request.Key, request.Arguments)
	if err := c.reach(ctx, AtPlan); err != nil {
		return connectors.Plan{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m, name, err := c.marking(request)
	if err != nil {
		return connectors.Plan{}, err
	}
	object, ok := c.world[name]
	if !ok {
		return connectors.Plan{}, fmt.Errorf("%w: %s", connectors.ErrNotFound, name)
	}
	plan := connectors.Plan{
		Target:  m.target(name, object.UID),
		Summary: m.operation.Name + " " + name,
		Done:    object.Marks[m.mark] == m.to,
	}
	if plan.Done {
		return plan, nil
	}
	plan.Diff = fmt.Sprintf("--- %s (now)\n+++ %s (planned)\n-%s: %d\n+%s: %d\n", name, name, m.mark, object.Marks[m.mark], m.mark, m.to)
	if c.foretold != nil {
		c.foretold(&plan)
	}
	if m.inverse != "" {
		arguments, err := json.Marshal(map[string]string{m.argument: name})
		if err != nil {
			return plan, err
		}
		plan.Inverse = &connectors.Inverse{Operation: m.inverse, Arguments: arguments}
	}
	return plan, nil
}

func (m marking) target(name, uid string) v1alpha1.TargetReference {
	ref := v1alpha1.TargetReference{APIVersion: "v1", Kind: m.kind, Name: name, UID: uid}
	if namespace, short, ok := strings.Cut(name, "/"); ok {
		ref.Namespace, ref.Name = namespace, short
	}
	return ref
}

func (c *Connector) marking(request connectors.Request) (marking, string, error) {
	m, ok := c.actions[request.Operation]
	if !ok {
		return m, "", fmt.Errorf("%w: %q", connectors.ErrUnsupported, request.Operation)
	}
	compiled, err := m.operation.Compile()
	if err != nil {
		return m, "", err
	}
	if err := compiled.ValidateArguments(request.Arguments); err != nil {
		return m, "", fmt.Errorf("%w: %w", connectors.ErrInvalid, err)
	}
	name, _ := request.Arguments[m.argument].(string)
	return m, name, nil
}

// Execute implements connectors.Responder.
func (c *Connector) Execute(ctx context.Context, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	c.record("Execute", request.Operation, request.Key, request.Arguments)
	for _, step := range []struct {
		before Point
		half   int
	}{{AtExecute, 1}, {AtHalf, 2}} {
		if err := c.reach(ctx, step.before); err != nil {
			return connectors.Result{Outcome: v1alpha1.OutcomeUnknown}, err
		}
		if err := c.change(request, plan, step.half); err != nil {
			return connectors.Result{Outcome: v1alpha1.OutcomeFailed, Message: err.Error()}, nil
		}
	}
	if err := c.reach(ctx, AtEnd); err != nil {
		return connectors.Result{Outcome: v1alpha1.OutcomeUnknown}, err
	}
	return connectors.Result{Outcome: v1alpha1.OutcomeSucceeded, Message: plan.Summary}, nil
}

// change brings the mark to half or all of what it shall be.
func (c *Connector) change(request connectors.Request, plan connectors.Plan, half int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, name, err := c.marking(request)
	if err != nil {
		return err
	}
	object, ok := c.world[name]
	if !ok || object.UID != plan.Target.UID {
		return fmt.Errorf("%w: %s is not the one that was planned", connectors.ErrNotFound, name)
	}
	if object.Marks[m.mark] == m.to {
		return nil
	}
	if half == 1 {
		object.Marks[m.mark] = 1
		return nil
	}
	c.changes[m.operation.Name]++
	if m.to == 0 {
		delete(object.Marks, m.mark)
	} else {
		object.Marks[m.mark] = m.to
	}
	return nil
}

// Observe implements connectors.Responder.
func (c *Connector) Observe(ctx context.Context, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	c.record("Observe", request.Operation, request.Key, request.Arguments)
	if err := c.reach(ctx, AtObserve); err != nil {
		return connectors.EffectUnknown, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m, name, err := c.marking(request)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	object, ok := c.world[name]
	if !ok || object.UID != target.UID {
		return connectors.EffectUnknown, nil
	}
	switch object.Marks[m.mark] {
	case m.to:
		return connectors.EffectPresent, nil
	case 1:
		return connectors.EffectPartial, nil
	}
	return connectors.EffectAbsent, nil
}
