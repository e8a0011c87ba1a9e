// Package expr compiles the CEL of detections, mappings and playbooks: one
// dialect, one limit of what an evaluation may cost and one way to interpolate everywhere.
package expr

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
)

// Env declares the variables that expressions of one place may use. All are dynamic.
type Env struct {
	env       *cel.Env
	variables []string
	named     []*cel.InlineVariable
}

// NewEnv declares variables by name.
func NewEnv(variables ...string) (*Env, error) {
	options := []cel.EnvOption{
		ext.Strings(), ext.Sets(), ext.Lists(ext.ListsVersion(1)), cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true),
		cel.EnableMacroCallTracking(), // what is compiled can be compared as it was written
		cel.Function("span", cel.Overload("span_of_hours", []*cel.Type{cel.DynType}, cel.StringType, cel.UnaryBinding(span))),
	}
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	return &Env{env: env, variables: variables}, nil
}

// MustEnv is NewEnv for variables that are part of the program.
func MustEnv(variables ...string) *Env {
	env, err := NewEnv(variables...)
	if err != nil {
		panic(err)
	}
	return env
}

// Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	env     *Env
	source  string
	program cel.Program
	ast     *cel.Ast
	named   []string
	// loops: it is evaluated against the clock.
	loops bool
}

// Compile checks an expression of any type.
func (e *Env) Compile(source string) (*Program, error) {
	checked, issues := e.env.Compile(source)
	if issues.Err() != nil {
		return nil, fmt.Errorf("CEL does not compile: %w", issues.Err())
	}
	checked, named, err := e.writeOut(checked)
	if err != nil {
		return nil, fmt.Errorf("CEL does not compile: %w", err)
	}
	if err := amplifies(checked); err != nil {
		return nil, fmt.Errorf("CEL does not compile: %w", err)
	}
	program, err := e.env.Program(checked, limits(checked)...)
	if err != nil {
		return nil, fmt.Errorf("CEL does not compile: %w", err)
	}
	return &Program{env: e, source: source, program: program, ast: checked, named: named, loops: loops(checked)}, nil
}

// Source is the expression as it was written.
func (p *Program) Source() string { return strings.TrimSpace(p.source) }

// eval errs with ErrTooCostly where a limit is passed.
func (p *Program) eval(vars map[string]any) (ref.Val, error) {
	out, err := p.run(vars)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.source, err)
	}
	return out, nil
}

// Condition checks an expression that must be boolean.
func (e *Env) Condition(source string) (*Program, error) {
	p, err := e.Compile(source)
	if err != nil {
		return nil, err
	}
	if t := p.ast.OutputType(); !t.IsExactType(types.BoolType) && !t.IsExactType(types.DynType) {
		return nil, fmt.Errorf("CEL must be a condition (bool), not %s: %s", t, source)
	}
	return p, nil
}

// True evaluates a condition. Anything but a bool is an error.
func (p *Program) True(vars map[string]any) (bool, error) {
	out, err := p.eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("%s: must be a bool, not %s", p.source, out.Type().TypeName())
	}
	return b, nil
}

// Value evaluates to plain JSON values: nil, bool, float64, string, []any, map[string]any.
func (p *Program) Value(vars map[string]any) (any, error) {
	out, err := p.eval(vars)
	if err != nil {
		return nil, err
	}
	if opt, ok := out.(*types.Optional); ok {
		if !opt.HasValue() {
			return nil, nil
		}
		out = opt.GetValue()
	}
	if s, ok := out.Value().(string); ok {
		return s, nil
	}
	native, err := out.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.source, err)
	}
	return native.(*structpb.Value).AsInterface(), nil
}

// Strings evaluates to a string or a list of strings; null and empty strings are left out.
func (p *Program) Strings(vars map[string]any) ([]string, error) {
	v, err := p.Value(vars)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var found []string
	for _, item := range list {
		switch s := item.(type) {
		case nil:
		case string:
			if s != "" {
				found = append(found, s)
			}
		default:
			return nil, fmt.Errorf("%s: must be a string or a list of strings, not %T", p.source, item)
		}
	}
	return found, nil
}

// Text is the value as text: strings as they are, everything else as CEL's string() prints it.
func text(v any) string {
	switch t := v.(type) {
	case nil:
		return ""
	case string:
		return t
	case float64:
		if t == float64(int64(t)) {
			return fmt.Sprint(int64(t))
		}
	}
	return fmt.Sprint(v)
}

// Reads returns the dotted paths that the expression selects from a variable,
// sorted, such as "owner.name". The path is empty where the variable is used whole
// or through a computed key.
func (p *Program) Reads(variable string) []string { return p.paths(variable, true) }

// ReadsValues is Reads without what is only asked to be there, by has(...).
func (p *Program) ReadsValues(variable string) []string { return p.paths(variable, false) }

func (p *Program) paths(variable string, presence bool) []string {
	var paths []string
	root := ast.NavigateAST(p.ast.NativeRep())
	for _, node := range ast.MatchDescendants(root, ast.KindMatcher(ast.IdentKind)) {
		if node.AsIdent() != variable {
			continue
		}
		if path, tested := pathFrom(node); presence || !tested {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// pathFrom climbs from an identifier through field selections and literal indexes.
// It says whether they end in has(...).
func pathFrom(node ast.NavigableExpr) (path string, tested bool) {
	var parts []string
	for {
		parent, ok := node.Parent()
		if !ok {
			break
		}
		name, ok := selected(parent, node)
		if !ok {
			break
		}
		parts = append(parts, name)
		tested = parent.Kind() == ast.SelectKind && parent.AsSelect().IsTestOnly()
		node = parent
	}
	return strings.Join(parts, "."), tested
}

func selected(parent, operand ast.NavigableExpr) (string, bool) {
	switch parent.Kind() {
	case ast.SelectKind:
		return parent.AsSelect().FieldName(), true
	case ast.CallKind:
		call := parent.AsCall()
		isIndex := call.FunctionName() == operators.Index || call.FunctionName() == operators.OptIndex || call.FunctionName() == operators.OptSelect
		if !isIndex || len(call.Args()) != 2 || call.Args()[0].ID() != operand.ID() || call.Args()[1].Kind() != ast.LiteralKind {
			return "", false
		}
		s, ok := call.Args()[1].AsLiteral().Value().(string)
		return s, ok
	}
	return "", false
}

// Template is text with ${...} parts that are CEL.
type Template struct {
	literals []string
	programs []*Program
}

// ErrUnclosed is returned for a ${ without its }.
var ErrUnclosed = errors.New("${ is not closed by }")

// Template compiles text with ${...} parts. A } inside a string literal of the CEL does not close it.
func (e *Env) Template(source string) (*Template, error) {
	t := &Template{}
	for {
		before, rest, found := strings.Cut(source, "${")
		t.literals = append(t.literals, before)
		if !found {
			return t, nil
		}
		end := closing(rest)
		if end < 0 {
			return nil, fmt.Errorf("%w: %s", ErrUnclosed, rest)
		}
		p, err := e.Compile(rest[:end])
		if err != nil {
			return nil, err
		}
		t.programs = append(t.programs, p)
		source = rest[end+1:]
	}
}

// closing finds the } that ends an expression, skipping string literals and nested braces.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// Programs are the CEL parts, in order.
func (t *Template) Programs() []*Program { return t.programs }

// Value is the text with its parts evaluated; a template that is one part alone keeps the type of its value.
func (t *Template) Value(vars map[string]any) (any, error) {
	if len(t.programs) == 1 && t.literals[0] == "" && t.literals[1] == "" {
		return t.programs[0].Value(vars)
	}
	return t.Text(vars)
}

// Text is the text with its parts evaluated.
func (t *Template) Text(vars map[string]any) (string, error) {
	var b strings.Builder
	for i, literal := range t.literals {
		b.WriteString(literal)
		if i < len(t.programs) {
			v, err := t.programs[i].Value(vars)
			if err != nil {
				return "", err
			}
			b.WriteString(text(v))
		}
	}
	return b.String(), nil
}
