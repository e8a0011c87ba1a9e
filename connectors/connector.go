// Package connectors holds the contract between Tocsin and the tools that it
// asks and acts through. Each tool lives in a folder of its own below.
package connectors

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// Errors that connectors wrap. Anything else counts as passing and is tried again.
var (
	// ErrInvalid: the arguments do not fit; the message names which and why.
	ErrInvalid = errors.New("invalid arguments")
	// ErrNotFound: the target does not exist, or another object has its name.
	ErrNotFound = errors.New("not found")
	// ErrForbidden: the connector's ServiceAccount may not do this; the message says what is missing.
	ErrForbidden = errors.New("forbidden")
	// ErrUnsupported: there is no such operation.
	ErrUnsupported = errors.New("unsupported operation")
	// ErrConflict: the target was changed in a way that must not be overwritten.
	ErrConflict = errors.New("conflict")
	// ErrBlocked: something keeps the change from being made for now, such as a disruption
	// budget, which the message names. What was not done is tried again.
	ErrBlocked = errors.New("blocked for now")
	// ErrUnavailable: the tool did not answer, or answered that it cannot take requests now.
	ErrUnavailable = errors.New("unavailable")
	// ErrOpen: the tool was not called, since it did not answer too often in a row.
	ErrOpen = errors.New("not called")
)

// Connector is a configured tool. What it can do beyond Check is told by the
// optional interfaces Asker and Responder.
type Connector interface {
	// Operations lists what the tool offers, compiled.
	Operations() []operation.Operation
	// Check returns nil if the tool answers and lets the connector in.
	Check(ctx context.Context) error
}

// Asker answers questions. It changes nothing.
type Asker interface {
	Connector
	// Ask runs a Read operation. A nil answer without an error means that nothing was found.
	Ask(ctx context.Context, name string, arguments map[string]any) (map[string]any, error)
}

// Request is a Write operation with its arguments.
type Request struct {
	Operation string
	Arguments map[string]any
	// Key is the same for every attempt at the same action.
	Key string
}

// Plan is exactly what a request will change.
type Plan struct {
	// Target of the change, with its UID.
	Target v1alpha1.TargetReference
	// Summary in one line, such as "isolate pod shop/web-0".
	Summary string
	// Diff in unified form, made by the tool's own dry run; the same while nothing that matters changes.
	Diff string
	// Warnings for an approver.
	Warnings []string
	// Affects names the users whose access the change takes away, as the API server
	// names them: alice, system:serviceaccount:shop:web.
	Affects []string
	// Touches are other objects that the change takes hold of: guard rails keep it off
	// those that must not be touched, as they do for the target.
	Touches []v1alpha1.TargetReference
	// Grants names the roles that the target gives to whoever it binds, such as tocsin-senior.
	Grants []string
	// Shares that the change takes of workloads.
	Shares []Share
	// Captures keep what the change destroys, if they are made before: one for each object that is
	// gone with it. They are requests to the same connector.
	Captures []Capture
	// Blocked says what keeps the change from being made now; empty for nothing. It passes by itself.
	Blocked string
	// Done: the target is already as the request wants it.
	Done bool
	// Inverse takes the change back; nil if nothing can. That of an irreversible
	// operation puts back what it can.
	Inverse *Inverse
}

// Capture is a request that keeps what is to be seen of an object.
type Capture struct {
	// Target is the object, with its UID.
	Target    v1alpha1.TargetReference
	Operation string
	Arguments map[string]any
}

// Inverse is the request that takes a change back, kept before the change is made.
type Inverse struct {
	Operation string          `json:"operation"`
	Arguments json.RawMessage `json:"arguments"`
}

// Share is how much of a workload a change takes away.
type Share struct {
	// Workload that controls the pods.
	Workload v1alpha1.TargetReference
	// Pods that it has, and how many of them serve: ready, not isolated, not about to go.
	Pods, Serving int
	// Taken of those that serve.
	Taken int
}

// Excessive says that less than half of the pods would be left serving, and that they are more than one.
func (s Share) Excessive() bool {
	return s.Taken > 0 && s.Pods > 1 && 2*(s.Serving-s.Taken) < s.Pods
}

// Result of an execution.
type Result struct {
	Outcome v1alpha1.ActionOutcome
	// Message says what was done, or why not.
	Message string
	// Evidence is the hex SHA-256 under which the archive keeps what was captured; empty for nothing.
	Evidence string
}

// Effect is what can be seen of a request in the world.
type Effect string

// The effects.
const (
	// EffectAbsent: nothing of it is there; it may be executed.
	EffectAbsent Effect = "Absent"
	// EffectPartial: some of it is there; executing it again completes it without harm.
	EffectPartial Effect = "Partial"
	// EffectPresent: it is all there.
	EffectPresent Effect = "Present"
	// EffectUnknown: it cannot be told.
	EffectUnknown Effect = "Unknown"
)

// Responder acts. A connector whose Plan carries an Inverse offers the inverse as an operation too.
type Responder interface {
	Connector
	// Plan tells what the request would change, without changing anything.
	Plan(ctx context.Context, request Request) (Plan, error)
	// Execute makes the change of a plan that was made for the same request. It
	// refuses when the target is no longer the planned one. ErrBlocked means that what
	// is not done can be done later, any other error that it is not known whether
	// anything was changed; every other end is a Result.
	Execute(ctx context.Context, request Request, plan Plan) (Result, error)
	// Observe tells how much of the request's effect on the target is there.
	Observe(ctx context.Context, request Request, target v1alpha1.TargetReference) (Effect, error)
}
