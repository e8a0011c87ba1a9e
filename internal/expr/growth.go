package expr

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
)

// amplifiers are functions whose result can be as long as the product of what goes
// in, and the first of their arguments that is repeated. What an evaluation costs is
// known only after each call, so that they are bounded before.
var amplifiers = map[string]int{"replace": 1, "join": 0}

// maxRepeated is how long the text that an amplifier repeats may be.
const maxRepeated = 16

// amplifies refuses amplifiers that repeat text of unknown length.
func amplifies(checked *cel.Ast) error {
	for _, node := range amplifying(ast.NavigateAST(checked.NativeRep())) {
		call := node.AsCall()
		name, args := call.FunctionName(), call.Args()
		for _, arg := range args[min(amplifiers[name], len(args)):] {
			if arg.Kind() == ast.LiteralKind {
				if s, ok := arg.AsLiteral().Value().(string); !ok || len(s) <= maxRepeated {
					continue
				}
			}
			return fmt.Errorf("%s: the text that is put in must be written out, with at most %d characters", name, maxRepeated)
		}
	}
	return nil
}

func amplifying(root ast.NavigableExpr) []ast.NavigableExpr {
	calls := ast.MatchDescendants(root, ast.KindMatcher(ast.CallKind))
	return slices.DeleteFunc(calls, func(node ast.NavigableExpr) bool {
		_, ok := amplifiers[node.AsCall().FunctionName()]
		return !ok
	})
}
