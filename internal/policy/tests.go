package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// testDeadline bounds each test, testsDeadline all tests of a policy.
const (
	testDeadline  = time.Second
	testsDeadline = 10 * time.Second
)

// TestsError says which of a policy's own tests do not pass.
type TestsError struct {
	// Failed tests, sorted, each with its place and why.
	Failed []string
	// Passed is the number of the others.
	Passed int
}

func (e *TestsError) Error() string {
	if len(e.Failed) == 0 {
		return "spec.tests: has no rule whose name starts with test_; a policy needs at least one"
	}
	return fmt.Sprintf("%d of %d tests do not pass: %s", len(e.Failed), len(e.Failed)+e.Passed, strings.Join(e.Failed, "; "))
}

// runTests returns a *TestsError if not all tests pass, or if there is none.
func (c *Checked) runTests(ctx context.Context) error {
	results, expired, err := c.run(ctx, nil)
	if err != nil {
		return err
	}
	return judge(results, expired)
}

// run returns the results in the order of the tests, and whether the time was not enough for all.
func (c *Checked) run(ctx context.Context, tracer topdown.QueryTracer) (results []*tester.Result, expired, err error) {
	ctx, cancel := context.WithTimeout(ctx, testsDeadline)
	defer cancel()
	store := inmem.New()
	err = storage.Txn(ctx, store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		// The runner adds stages to its compiler, so it gets one of its own.
		runner := tester.NewRunner()
		if tracer != nil {
			runner.SetParallel(1) // what is traced belongs to the test that runs
		}
		done, err := runner.
			SetCompiler(compiler()).
			SetStore(store).
			SetModules(byFile(c.module, c.tests)).
			SetCoverageQueryTracer(tracer).
			RaiseBuiltinErrors(true).
			SetTimeout(testDeadline).
			RunTests(ctx, txn)
		if err != nil {
			return err
		}
		for r := range done {
			results = append(results, r)
		}
		return nil
	})
	if err != nil {
		return nil, nil, compileError("spec.tests", err)
	}
	slices.SortStableFunc(results, func(a, b *tester.Result) int { return cmp.Compare(row(a.Location), row(b.Location)) })
	return results, ctx.Err(), nil
}

func row(place *ast.Location) int {
	if place == nil {
		return 0
	}
	return place.Row
}

func judge(results []*tester.Result, expired error) error {
	failed := &TestsError{}
	for _, r := range results {
		switch {
		case r.Skip:
		case r.Pass():
			failed.Passed++
		case r.Error != nil:
			failed.Failed = append(failed.Failed, at(r.Location, "%s: %v", r.Name, r.Error))
		default:
			failed.Failed = append(failed.Failed, at(r.Location, "%s", r.Name))
		}
	}
	if expired != nil {
		failed.Failed = append(failed.Failed, fmt.Sprintf("the tests took longer than %s", testsDeadline))
	}
	slices.Sort(failed.Failed)
	if len(failed.Failed) == 0 && failed.Passed > 0 {
		return nil
	}
	return failed
}
