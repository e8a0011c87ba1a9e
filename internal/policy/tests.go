package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
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

// runTests returns a *CompileError if the tests do not compile, a *TestsError if not all pass.
func runTests(ctx context.Context, module, tests *ast.Module) error {
	if _, err := compile(module, tests); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, testsDeadline)
	defer cancel()
	store := inmem.New()
	var results []*tester.Result
	err := storage.Txn(ctx, store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		// The runner adds stages to its compiler, so it gets one of its own.
		done, err := tester.NewRunner().
			SetCompiler(compiler()).
			SetStore(store).
			SetModules(byFile(module, tests)).
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
		return compileError("spec.tests", err)
	}
	return judge(results, ctx.Err())
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
