package lint

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/check"
)

// Result of one test of an object, or why the object has none to run.
type Result struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Test is its name; empty where the object itself is refused.
	Test string `json:"test,omitempty"`
	// Failure says what was expected and what came out; empty if the test passes.
	Failure string `json:"failure,omitempty"`
	// Took is how long it ran, in nanoseconds.
	Took time.Duration `json:"took"`
}

// Tests are the results of every object's tests, in the order of files and lines.
type Tests struct {
	Results []Result `json:"results"`
	// Untested are the objects of kinds with tests that have none.
	Untested []Result `json:"untested"`
}

// Failed is the number of results that did not pass.
func (t Tests) Failed() int {
	n := 0
	for _, r := range t.Results {
		if r.Failure != "" {
			n++
		}
	}
	return n
}

// Test runs the tests inside the objects, as the operator does before it puts them in
// force. What it would refuse anyway fails without a test.
func Test(ctx context.Context, files []File, options Options) Tests {
	return load(ctx, files, options).test(func(*subject) bool { return true })
}

// test runs the tests of the objects that are asked for.
func (l *linter) test(wanted func(*subject) bool) Tests {
	tests := Tests{Results: []Result{}, Untested: []Result{}}
	for _, f := range l.findings {
		if f.Level == check.Error && f.Kind == "" {
			tests.Results = append(tests.Results, Result{File: f.File, Line: f.Line, Failure: f.Message})
		}
	}
	for _, s := range l.subjects {
		if wanted(s) {
			tests.add(s)
		}
	}
	byPlace := func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	}
	slices.SortStableFunc(tests.Results, byPlace)
	slices.SortStableFunc(tests.Untested, byPlace)
	return tests
}

func (t *Tests) add(s *subject) {
	about := Result{File: s.file, Line: s.line("metadata.name", 0), Kind: s.kind, Namespace: s.namespace, Name: s.name}
	if len(s.broken) > 0 {
		f := s.broken[0]
		about.Line = f.Line
		about.Failure = f.Path + ": " + f.Message
		t.Results = append(t.Results, about)
		return
	}
	if s.tests == nil {
		return
	}
	results := s.tests()
	if len(results) == 0 {
		t.Untested = append(t.Untested, about)
	}
	for _, test := range results {
		result := about
		result.Line, result.Test, result.Took = s.line(test.Path, test.Row), test.Name, test.Took
		if test.Err != nil {
			result.Failure = test.Err.Error()
		}
		t.Results = append(t.Results, result)
	}
}
