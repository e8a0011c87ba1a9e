package expr

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// Domains are the values that dotted paths such as alert.severity can have. A path
// that is not in it can have any.
type Domains map[string][]string

// Constant returns the value of an expression that comes out the same whatever its
// variables are. It is not found where an evaluation would be needed that takes too long.
func (p *Program) Constant() (value any, constant bool) {
	env := p.env
	unknown := make([]*cel.AttributePatternType, 0, len(env.variables))
	for _, name := range env.variables {
		unknown = append(unknown, cel.AttributePattern(name))
	}
	vars, err := cel.PartialVars(map[string]any{}, unknown...)
	if err != nil {
		return nil, false
	}
	program, err := env.env.Program(p.ast, cel.EvalOptions(cel.OptPartialEval), cel.InterruptCheckFrequency(roundsBetween), cel.CostLimit(costLimit))
	if err != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, _, err := program.ContextEval(ctx, vars)
	if err != nil || types.IsUnknownOrError(out) {
		return nil, false
	}
	return out.Value(), true
}

// Contradiction returns why a condition can never hold, or nothing if it may. It looks
// at what is compared with texts that are written out, through && and ||.
func (p *Program) Contradiction(domains Domains) string {
	return contradiction(p.ast.NativeRep().Expr(), domains)
}

func contradiction(e ast.Expr, outer Domains) string {
	known := maps.Clone(outer)
	if known == nil {
		known = Domains{}
	}
	var rest []ast.Expr
	for _, term := range operands(e, operators.LogicalAnd) {
		path, values, ok := allowed(term)
		if !ok {
			rest = append(rest, term)
			continue
		}
		before, bounded := known[path]
		if bounded {
			values = slices.DeleteFunc(values, func(v string) bool { return !slices.Contains(before, v) })
		}
		if len(values) == 0 {
			return never(term, before)
		}
		known[path] = values
	}
	for _, term := range rest {
		if why := noAlternative(term, known); why != "" {
			return why
		}
	}
	return ""
}

// noAlternative returns why none of the alternatives of a term can hold.
func noAlternative(term ast.Expr, known Domains) string {
	alternatives := operands(term, operators.LogicalOr)
	if len(alternatives) < 2 {
		return ""
	}
	var whys []string
	for _, alternative := range alternatives {
		why := contradiction(alternative, known)
		if why == "" {
			return ""
		}
		whys = append(whys, why)
	}
	return strings.Join(whys, "; ")
}

// Never returns what is compared with a text that the compared path never has.
func (p *Program) Never(domains Domains) []string {
	var found []string
	for _, node := range ast.MatchDescendants(ast.NavigateAST(p.ast.NativeRep()), ast.KindMatcher(ast.CallKind)) {
		path, values, ok := allowed(node)
		domain, bounded := domains[path]
		if !ok || !bounded {
			continue
		}
		for _, value := range values {
			if !slices.Contains(domain, value) {
				found = append(found, never(node, domain))
				break
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func never(comparison ast.Expr, domain []string) string {
	path, values, _ := allowed(comparison)
	wanted := fmt.Sprintf("%q", values)
	if len(values) == 1 {
		wanted = fmt.Sprintf("%q", values[0])
	}
	return fmt.Sprintf("%s is compared with %s, but is one of %q", path, wanted, domain)
}

// Implies says whether every part of other that is joined by && is also such a part
// of this condition, so that other holds wherever this one does.
func (p *Program) Implies(other *Program) bool {
	here := p.conjuncts()
	for _, term := range other.conjuncts() {
		if !slices.Contains(here, term) {
			return false
		}
	}
	return true
}

// conjuncts are the parts joined by &&, in one way of writing.
func (p *Program) conjuncts() []string {
	native := p.ast.NativeRep()
	var texts []string
	for _, term := range operands(native.Expr(), operators.LogicalAnd) {
		text, err := cel.ExprToString(term, native.SourceInfo())
		if err != nil {
			text = fmt.Sprintf("%p %d", p, term.ID()) // like nothing else
		}
		texts = append(texts, text)
	}
	return texts
}

// operands of a chain of one logical operator; the expression itself if it is none.
func operands(e ast.Expr, operator string) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operator {
		return []ast.Expr{e}
	}
	var all []ast.Expr
	for _, arg := range e.AsCall().Args() {
		all = append(all, operands(arg, operator)...)
	}
	return all
}

// allowed returns the path that a term compares, and the texts for which the term holds.
func allowed(term ast.Expr) (path string, values []string, ok bool) {
	if term.Kind() != ast.CallKind || len(term.AsCall().Args()) != 2 {
		return "", nil, false
	}
	args := term.AsCall().Args()
	switch term.AsCall().FunctionName() {
	case operators.Equals:
		value, isText := literal(args[1])
		path, ok = pathTo(args[0])
		if !isText {
			value, isText = literal(args[0])
			path, ok = pathTo(args[1])
		}
		return path, []string{value}, ok && isText
	case operators.In:
		if path, ok = pathTo(args[0]); !ok || args[1].Kind() != ast.ListKind {
			return "", nil, false
		}
		for _, element := range args[1].AsList().Elements() {
			value, isText := literal(element)
			if !isText {
				return "", nil, false
			}
			values = append(values, value)
		}
		return path, values, true
	}
	return "", nil, false
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok
}

// pathTo returns the dotted path that an expression selects, from its variable on.
func pathTo(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return strings.TrimPrefix(e.AsIdent(), "."), true
	case ast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return "", false
		}
		above, ok := pathTo(e.AsSelect().Operand())
		return above + "." + e.AsSelect().FieldName(), ok
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index {
			return "", false
		}
		above, ok := pathTo(call.Args()[0])
		field, isText := literal(call.Args()[1])
		return above + "." + field, ok && isText
	}
	return "", false
}
