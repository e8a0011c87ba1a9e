package expr

import (
	"context"
	"errors"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

const (
	// costLimit bounds what a call may put together.
	costLimit = 1_000_000
	// patience bounds the loops of one evaluation. Counting their cost would take the
	// square of the time of running them, which whoever chooses the values could use.
	patience = 250 * time.Millisecond
	// roundsBetween looks at the clock: few loops have as many, so that a busy machine
	// interrupts none that is not long.
	roundsBetween = 2048
)

// ErrTooCostly is wrapped where an evaluation would take too long or too much: the
// values are too large, and whoever chose them may have meant them to be.
var ErrTooCostly = errors.New("the values are too large to look at")

// limits are for what can grow faster than its source is long.
func limits(checked *cel.Ast) []cel.ProgramOption {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if len(amplifying(ast.NavigateAST(checked.NativeRep()))) > 0 {
		options = append(options, cel.CostLimit(costLimit))
	}
	if loops(checked) {
		options = append(options, cel.InterruptCheckFrequency(roundsBetween))
	}
	return options
}

func loops(checked *cel.Ast) bool {
	return len(ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.ComprehensionKind))) > 0
}

func (p *Program) run(vars map[string]any) (ref.Val, error) {
	if !p.loops {
		out, _, err := p.program.Eval(vars)
		return out, tooCostly(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, _, err := p.program.ContextEval(ctx, vars)
	return out, tooCostly(err)
}

func tooCostly(err error) error {
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) || errors.Is(err, interpreter.InterruptError{}) {
		return ErrTooCostly
	}
	return err
}
