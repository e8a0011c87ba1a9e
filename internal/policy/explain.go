package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// maxShown characters of an expression or a value explain why a test fails.
const maxShown = 300

// Tests runs the policy's own tests and returns the result of each, with what did not
// hold, and what of the module they evaluate. A test that decides on what no input has
// fails here: it proves nothing of what the operator asks.
func (c *Checked) Tests(ctx context.Context) ([]check.Test, Coverage) {
	schema, err := partSchema()
	if err != nil {
		return []check.Test{{Name: "spec.tests", Path: "spec.tests", Err: err}}, Coverage{}
	}
	seen, decided, covered := &failures{last: map[int]failure{}}, &inputs{misfits: map[int]error{}, schema: schema}, cover.New()
	results, expired, err := c.run(ctx, tracers{seen, decided, covered})
	if err == nil && expired != nil {
		err = fmt.Errorf("the tests took longer than %s", testsDeadline)
	}
	var tests []check.Test
	if err != nil {
		tests = append(tests, check.Test{Name: "spec.tests", Path: "spec.tests", Err: err})
	}
	for _, r := range results {
		if r.Skip {
			continue
		}
		test := check.Test{Name: r.Name, Path: "spec.tests", Row: row(r.Location), Took: r.Duration}
		switch {
		case r.Pass():
			test.Err = decided.misfits[test.Row]
		case r.Error != nil:
			test.Err = r.Error
		default:
			test.Row, test.Err = seen.explain(test.Row, c.end(test.Row))
		}
		tests = append(tests, test)
	}
	return tests, c.coverage(covered)
}

// end is the row at which the rule after the one at a row begins, or 0 if it is the last.
func (c *Checked) end(row int) int {
	for _, rule := range c.tests.Rules {
		if rule.Location.Row > row {
			return rule.Location.Row
		}
	}
	return 0
}

// failures remembers of each row of the tests what last did not hold there.
type failures struct {
	mu   sync.Mutex
	seen int
	last map[int]failure
}

type failure struct {
	order int
	text  string
}

var _ topdown.QueryTracer = (*failures)(nil)

// Enabled implements topdown.QueryTracer.
func (f *failures) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (f *failures) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

// TraceEvent implements topdown.QueryTracer.
func (f *failures) TraceEvent(e topdown.Event) {
	if e.Op != topdown.FailOp || e.Location == nil || e.Location.File != "spec.tests" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	f.last[e.Location.Row] = failure{order: f.seen, text: describe(e)}
}

// describe an expression that did not hold, with the values of the variables in it.
func describe(e topdown.Event) string {
	source := strings.Join(strings.Fields(string(e.Location.Text)), " ")
	text := shorten.Characters(source, maxShown) + " does not hold"
	if e.Locals == nil {
		return text
	}
	var values []string
	e.Locals.Iter(func(key, value ast.Value) bool {
		v, ok := key.(ast.Var)
		name := string(e.LocalMetadata[v].Name)
		if ok && name != "" && mentions(source, name) {
			values = append(values, fmt.Sprintf("%s is %s", name, shorten.Characters(value.String(), maxShown)))
		}
		return false
	})
	if len(values) == 0 {
		return text
	}
	slices.Sort(values)
	return text + "; " + strings.Join(slices.Compact(values), "; ")
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

func mentions(source, name string) bool { return slices.Contains(word.FindAllString(source, -1), name) }

// explain what last did not hold in the rows of a test, and where.
func (f *failures) explain(from, until int) (at int, err error) {
	last := failure{text: "is not true"}
	at = from
	for row, failed := range f.last {
		if row >= from && (until == 0 || row < until) && failed.order > last.order {
			last, at = failed, row
		}
	}
	return at, errors.New(last.text)
}
