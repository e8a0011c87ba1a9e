package expr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
)

// maxWritten is how many nodes an expression may have with its named parts written out:
// names that use names grow faster than their sources are long.
const maxWritten = 4096

// With lets expressions use a program by a name, as if it were written out there. What
// the program reads must be known in this place.
func (e *Env) With(name string, p *Program) (*Env, error) {
	env, err := e.env.Extend(cel.Variable(name, p.ast.OutputType()))
	if err != nil {
		return nil, err
	}
	alias := "@" + strings.ReplaceAll(name, ".", "_") // no loop can have such a variable
	part := cel.NewInlineVariableWithAlias(name, alias, p.ast)
	return &Env{env: env, variables: e.variables, named: append(slices.Clone(e.named), part)}, nil
}

// Named are the names of Env.With that the expression itself uses, sorted.
func (p *Program) Named() []string { return p.named }

// writeOut puts programs in the place of their names.
func (e *Env) writeOut(checked *cel.Ast) (written *cel.Ast, named []string, err error) {
	for _, reference := range checked.NativeRep().ReferenceMap() {
		if slices.ContainsFunc(e.named, func(v *cel.InlineVariable) bool { return v.Name() == reference.Name }) {
			named = append(named, reference.Name)
		}
	}
	if len(named) == 0 {
		return checked, nil, nil
	}
	if name := e.shadowed(checked); name != "" {
		return nil, nil, fmt.Errorf("a loop's variable is called %s, which %s may read; call it otherwise", name, named[0])
	}
	optimizer, err := cel.NewStaticOptimizer(cel.NewInliningOptimizer(e.named...))
	if err != nil {
		return nil, nil, err
	}
	written, issues := optimizer.Optimize(e.env, checked)
	if issues.Err() != nil {
		return nil, nil, issues.Err()
	}
	nodes := 0
	ast.PreOrderVisit(written.NativeRep().Expr(), ast.NewExprVisitor(func(ast.Expr) { nodes++ }))
	slices.Sort(named)
	named = slices.Compact(named)
	if nodes > maxWritten {
		return nil, nil, fmt.Errorf("with %s written out it has %d parts, expected at most %d", strings.Join(named, ", "), nodes, maxWritten)
	}
	return written, named, nil
}

// shadowed returns the variable of this place that a loop hides.
func (e *Env) shadowed(checked *cel.Ast) string {
	for _, node := range ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.ComprehensionKind)) {
		loop := node.AsComprehension()
		for _, name := range []string{loop.IterVar(), loop.IterVar2()} {
			if slices.Contains(e.variables, name) {
				return name
			}
		}
	}
	return ""
}
