// Package fake is a connector over a world in memory, for tests: what it can do
// is scripted, what it is called with is recorded, and it fails where it is told to.
package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// Point is a moment in a call at which something can happen.
type Point string

// The points. Those of an execution are before anything is done, with half of it
// done, and when all of it is done but nobody knows yet.
const (
	AtCheck   Point = "Check"
	AtAsk     Point = "Ask"
	AtPlan    Point = "Plan"
	AtExecute Point = "Execute"
	AtHalf    Point = "ExecuteHalf"
	AtEnd     Point = "ExecuteEnd"
	AtObserve Point = "Observe"
)

// Question is a Read operation.
type Question struct {
	Name string
	// Untrusted fields of its answers.
	Untrusted []string
	// Answer is called with whatever arguments come.
	Answer func(arguments map[string]any) (map[string]any, error)
}

// Action is a Write operation that marks an object with its name. Its one
// argument names the object, as name or namespace/name.
type Action struct {
	Name string
	Risk v1alpha1.Risk
	// Irreversible: otherwise undo-<name> takes it back.
	Irreversible bool
	// Argument is its name; empty for "target".
	Argument string
	// Kind of the targets; empty for "Thing".
	Kind string
}

// Call is one that the connector got.
type Call struct {
	Method, Operation, Key string
	Arguments              map[string]any
}

// Connector is the fake. It is safe for concurrent use.
type Connector struct {
	mu         sync.Mutex
	operations []operation.Operation
	questions  map[string]Question
	actions    map[string]marking
	world      map[string]*thing
	calls      []Call
	changes    map[string]int
	scripted   map[Point][]func() error
	foretold   func(*connectors.Plan)
}

var (
	_ connectors.Asker     = &Connector{}
	_ connectors.Responder = &Connector{}
)

// thing is an object of the world; a mark is whole at 2.
type thing struct {
	UID   string         `json:"uid"`
	Marks map[string]int `json:"marks"`
}

// New returns a connector with an empty world that offers nothing yet.
func New() *Connector {
	return &Connector{
		questions: map[string]Question{}, actions: map[string]marking{}, world: map[string]*thing{},
		changes: map[string]int{}, scripted: map[Point][]func() error{},
	}
}

// Offer adds actions.
func (c *Connector) Offer(actions ...Action) *Connector {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range actions {
		for _, m := range a.markings() {
			c.actions[m.operation.Name] = m
			c.operations = append(c.operations, operation.MustCompile(m.operation)...)
		}
	}
	return c
}

// Answer adds questions.
func (c *Connector) Answer(questions ...Question) *Connector {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range questions {
		c.questions[q.Name] = q
		c.operations = append(c.operations, operation.MustCompile(operation.Operation{
			Name: q.Name, Summary: "Fake question " + q.Name, Mode: v1alpha1.OperationRead,
			Arguments: `{"type": "object"}`, Result: `{"type": "object"}`, Untrusted: q.Untrusted,
		})...)
	}
	return c
}

// Put adds an object without marks, or replaces the one of that name.
func (c *Connector) Put(name, uid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.world[name] = &thing{UID: uid, Marks: map[string]int{}}
}

// Remove takes an object out of the world.
func (c *Connector) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.world, name)
}

// Marked says whether an action's effect is on the object, whole.
func (c *Connector) Marked(name, action string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	object, ok := c.world[name]
	return ok && object.Marks[action] == 2
}

// Changes counts the executions of an operation that changed something.
func (c *Connector) Changes(operation string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes[operation]
}

// Calls that were made, in order.
func (c *Connector) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Snapshot of the world as JSON.
func (c *Connector) Snapshot() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := json.Marshal(c.world)
	if err != nil {
		panic(err)
	}
	return raw
}

// At does something the next time that a call comes to the point; an error ends
// the call with it. Several are done one a call, in order. To crash the caller, panic.
func (c *Connector) At(p Point, do func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scripted[p] = append(c.scripted[p], do)
}

// Foretell adds to every plan from now on that has something to do.
func (c *Connector) Foretell(add func(*connectors.Plan)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.foretold = add
}

// reach does what is scripted for the point. The lock must not be held, since a script may use the connector.
func (c *Connector) reach(ctx context.Context, p Point) error {
	c.mu.Lock()
	var next func() error
	if queue := c.scripted[p]; len(queue) > 0 {
		next, c.scripted[p] = queue[0], queue[1:]
	}
	c.mu.Unlock()
	if next != nil {
		if err := next(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (c *Connector) record(method, operation, key string, arguments map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, Call{Method: method, Operation: operation, Key: key, Arguments: maps.Clone(arguments)})
}

// Operations implements connectors.Connector.
func (c *Connector) Operations() []operation.Operation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.operations)
}

// Check implements connectors.Connector.
func (c *Connector) Check(ctx context.Context) error {
	c.record("Check", "", "", nil)
	return c.reach(ctx, AtCheck)
}

// Ask implements connectors.Asker.
func (c *Connector) Ask(ctx context.Context, name string, arguments map[string]any) (map[string]any, error) {
	c.record("Ask", name, "", arguments)
	if err := c.reach(ctx, AtAsk); err != nil {
		return nil, err
	}
	c.mu.Lock()
	q, ok := c.questions[name]
	c.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("%w: %q", connectors.ErrUnsupported, name)
	}
	return q.Answer(arguments)
}
