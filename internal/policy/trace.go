package policy

import (
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// tracers hand every event of the tests to each of them.
type tracers []topdown.QueryTracer

var _ topdown.QueryTracer = tracers{}

// Enabled implements topdown.QueryTracer.
func (tracers) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (tracers) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

// TraceEvent implements topdown.QueryTracer.
func (ts tracers) TraceEvent(e topdown.Event) {
	for _, t := range ts {
		t.TraceEvent(e)
	}
}

// inputs remembers, by the row of each test, what is wrong with the documents that it
// has the policy decide on. It needs tests that run one after the other.
type inputs struct {
	mu      sync.Mutex
	row     int
	last    *ast.Term
	misfits map[int]error
	schema  *jsonschema.Schema
}

var _ topdown.QueryTracer = (*inputs)(nil)

// Enabled implements topdown.QueryTracer.
func (*inputs) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (*inputs) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (i *inputs) TraceEvent(e topdown.Event) {
	if e.Op != topdown.EnterOp {
		return
	}
	rule, ok := e.Node.(*ast.Rule)
	if !ok || rule.Location == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case rule.Location.File == "spec.tests" && strings.HasPrefix(ruleName(rule), "test_"):
		i.row = rule.Location.Row
	case rule.Location.File == "spec.module" && e.Input() != nil && e.Input() != i.last:
		i.last = e.Input()
		i.check(e.Input().Value)
	}
}

func (i *inputs) check(document ast.Value) {
	if i.misfits[i.row] != nil {
		return
	}
	value, err := ast.JSON(document)
	if err == nil {
		err = misfits(i.schema.Validate(value))
	}
	if err != nil {
		i.misfits[i.row] = err
	}
}
