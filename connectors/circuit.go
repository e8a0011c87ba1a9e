package connectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	// tripAfter is how many calls in a row must go unanswered until a tool is not called any more.
	tripAfter = 5
	// openFor is how long it is then not called. The next call decides whether it is again.
	openFor = 30 * time.Second
)

// circuit keeps a tool that does not answer from being called again and again. Only silence counts:
// what a tool refuses is an answer, else whoever makes some requests fail would stop all others.
type circuit struct {
	breaker *gobreaker.TwoStepCircuitBreaker[any]
}

func newCircuit(changed func()) *circuit {
	return &circuit{breaker: gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Timeout:     openFor,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		IsSuccessful: func(err error) bool {
			return !errors.Is(err, ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded)
		},
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(string, gobreaker.State, gobreaker.State) { changed() },
	})}
}

func (c *circuit) closed() bool { return c.breaker.State() == gobreaker.StateClosed }

// call makes the call, unless the circuit is open.
func call[T any](c *circuit, do func() (T, error)) (result T, err error) {
	done, open := c.breaker.Allow()
	if open != nil {
		return result, fmt.Errorf("%w: it did not answer %d calls in a row; it is tried again within %s", ErrOpen, tripAfter, openFor)
	}
	defer func() { done(err) }() // also where it panics: a call that never ends would keep all others out
	return do()
}

// protect returns the connector with the same capabilities, behind the circuit.
func (c *circuit) protect(inner Connector) Connector {
	base := protected{Connector: inner, circuit: c}
	asker, asks := inner.(Asker)
	responder, responds := inner.(Responder)
	switch {
	case asks && responds:
		return struct {
			protected
			protectedAsker
			protectedResponder
		}{base, protectedAsker{asker, c}, protectedResponder{responder, c}}
	case asks:
		return struct {
			protected
			protectedAsker
		}{base, protectedAsker{asker, c}}
	case responds:
		return struct {
			protected
			protectedResponder
		}{base, protectedResponder{responder, c}}
	}
	return base
}

type protected struct {
	Connector
	circuit *circuit
}

// Check asks the tool in any case. Where it is about to be called again, the check is the call that decides.
func (p protected) Check(ctx context.Context) error {
	done, open := p.circuit.breaker.Allow()
	err := p.Connector.Check(ctx)
	if open == nil {
		done(err)
	}
	return err
}

type protectedAsker struct {
	asker   Asker
	circuit *circuit
}

// Ask implements Asker.
func (p protectedAsker) Ask(ctx context.Context, name string, arguments map[string]any) (map[string]any, error) {
	return call(p.circuit, func() (map[string]any, error) { return p.asker.Ask(ctx, name, arguments) })
}

type protectedResponder struct {
	responder Responder
	circuit   *circuit
}

// Plan implements Responder.
func (p protectedResponder) Plan(ctx context.Context, request Request) (Plan, error) {
	return call(p.circuit, func() (Plan, error) { return p.responder.Plan(ctx, request) })
}

// Execute implements Responder.
func (p protectedResponder) Execute(ctx context.Context, request Request, plan Plan) (Result, error) {
	return call(p.circuit, func() (Result, error) { return p.responder.Execute(ctx, request, plan) })
}

// Observe is never held back: it is how one learns what became of what was begun.
func (p protectedResponder) Observe(ctx context.Context, request Request, target v1alpha1.TargetReference) (Effect, error) {
	return p.responder.Observe(ctx, request, target)
}
