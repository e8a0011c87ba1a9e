// Package policy decides with OPA which actions run, which wait for whom, and
// which are refused. It is pure: values in, a decision out, no cluster, no clock.
package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// The packages of a policy and of its tests.
const (
	packageName      = "tocsin.approval"
	testsPackageName = "tocsin.approval_test"
)

// The rules by which a policy speaks; all are partial sets.
var spokenRules = []string{"deny", "require", "allow", "skip_evidence"}

// CompileError says why a policy cannot be asked. Each line names spec.module or
// spec.tests with row and column, and what was expected.
type CompileError struct{ Problems []string }

func (e *CompileError) Error() string { return strings.Join(e.Problems, "\n") }

// SpecError says which field of a policy is wrong and what was expected.
type SpecError struct{ Problem string }

func (e *SpecError) Error() string { return e.Problem }

// Policy is a compiled policy whose tests passed. It is safe for concurrent use.
type Policy struct{ query rego.PreparedEvalQuery }

// Compile checks the module and the tests of a policy and runs the tests. The
// error is a *SpecError, a *CompileError or a *TestsError.
func Compile(ctx context.Context, name string, spec v1alpha1.ApprovalPolicySpec) (*Policy, error) {
	c, err := Check(spec)
	if err != nil {
		return nil, err
	}
	if err := c.runTests(ctx); err != nil {
		return nil, err
	}
	return prepare(ctx, name, c.compiler, c.module)
}

// Checked is a policy whose module and tests compile.
type Checked struct {
	module, tests *ast.Module
	compiler      *ast.Compiler
}

// Check checks the module and the tests of a policy without running them. The error
// is a *SpecError or a *CompileError.
func Check(spec v1alpha1.ApprovalPolicySpec) (*Checked, error) {
	if ttl := spec.ApprovalTTL; ttl != nil && ttl.Duration <= 0 {
		return nil, &SpecError{Problem: fmt.Sprintf("spec.approvalTTL: must be longer than zero, not %s", ttl.Duration)}
	}
	if err := errors.Join(checkPatience("spec.remindAfter", spec.RemindAfter), checkPatience("spec.escalateAfter", spec.EscalateAfter)); err != nil {
		return nil, &SpecError{Problem: err.Error()}
	}
	c := &Checked{}
	var err error
	if c.module, err = parse("spec.module", spec.Module, packageName); err != nil {
		return nil, err
	}
	if c.tests, err = parse("spec.tests", spec.Tests, testsPackageName); err != nil {
		return nil, err
	}
	if problems := append(checkRules(c.module), checkData(c.module)...); len(problems) > 0 {
		return nil, &CompileError{Problems: problems}
	}
	if c.compiler, err = compile(c.module); err != nil {
		return nil, err
	}
	_, err = compile(c.module, c.tests)
	return c, err
}

func checkPatience(field string, after *metav1.Duration) error {
	if after != nil && after.Duration < shortestPatience {
		return fmt.Errorf("%s: must be at least %s, not %s", field, shortestPatience, after.Duration)
	}
	return nil
}

func prepare(ctx context.Context, name string, compiler *ast.Compiler, module *ast.Module) (*Policy, error) {
	query, err := rego.New(
		rego.Compiler(compiler),
		rego.Query(queryFor(module)),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing policy %s: %w", name, err)
	}
	return &Policy{query: query}, nil
}

func parse(field, source, pkg string) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(field, source, ast.ParserOptions{
		RegoVersion:  ast.RegoV1,
		Capabilities: capabilities(),
	})
	if err != nil {
		return nil, compileError(field, err)
	}
	if module == nil {
		return nil, &CompileError{Problems: []string{field + ": is empty; it must start with: package " + pkg}}
	}
	if got := strings.TrimPrefix(module.Package.Path.String(), "data."); got != pkg {
		return nil, &CompileError{Problems: []string{
			at(module.Package.Location, "the package must be %s, not %s", pkg, got),
		}}
	}
	return module, nil
}

// compiler compiles as strictly as OPA can.
func compiler() *ast.Compiler {
	return ast.NewCompiler().
		WithCapabilities(capabilities()).
		WithDefaultRegoVersion(ast.RegoV1).
		WithStrict(true)
}

func compile(modules ...*ast.Module) (*ast.Compiler, error) {
	c := compiler()
	c.Compile(byFile(modules...))
	if c.Failed() {
		return nil, compileError("spec.module", c.Errors)
	}
	return c, nil
}

// byFile copies the modules, since compiling changes them.
func byFile(modules ...*ast.Module) map[string]*ast.Module {
	files := make(map[string]*ast.Module, len(modules))
	for _, m := range modules {
		files[m.Package.Location.File] = m.Copy()
	}
	return files
}

// checkRules demands that the policy can say something, in sets that add up.
func checkRules(module *ast.Module) []string {
	var problems []string
	speaks := false
	for _, rule := range module.Rules {
		name := ruleName(rule)
		if !slices.Contains(spokenRules, name) {
			continue
		}
		speaks = true
		if rule.Head.DocKind() != ast.PartialSetDoc || len(rule.Head.Ref()) != 1 {
			problems = append(problems, at(rule.Location, "%s must be a set: write %s contains ... if { ... }", name, name))
		}
	}
	if !speaks {
		problems = append(problems, at(module.Package.Location, "has none of the rules %s, so it would never say anything", strings.Join(spokenRules, ", ")))
	}
	return problems
}

// checkData refuses data outside the policy's own package: there is none when it
// is asked, and its tests must not be a part of what it decides.
func checkData(module *ast.Module) []string {
	own := ast.MustParseRef("data." + packageName)
	var problems []string
	for _, rule := range module.Rules {
		problems = append(problems, foreignData(rule, own)...)
	}
	for _, i := range module.Imports {
		problems = append(problems, foreignData(i.Path, own)...)
	}
	return problems
}

func foreignData(node any, own ast.Ref) []string {
	var problems []string
	ast.WalkTerms(node, func(t *ast.Term) bool {
		ref, ok := t.Value.(ast.Ref)
		if ok && ref[0].Equal(ast.DefaultRootDocument) && !ref.HasPrefix(own) {
			problems = append(problems, at(t.Location, "%s: a policy has no data but its own package", ref))
		}
		return false
	})
	return problems
}

// queryFor asks for the rules that the module has and no others: a rule that is
// not there would leave the whole answer undefined.
func queryFor(module *ast.Module) string {
	var fields []string
	for _, name := range spokenRules {
		if slices.ContainsFunc(module.Rules, func(r *ast.Rule) bool { return ruleName(r) == name }) {
			fields = append(fields, fmt.Sprintf("%q: data.%s.%s", name, packageName, name))
		}
	}
	return "said := {" + strings.Join(fields, ", ") + "}"
}

func ruleName(rule *ast.Rule) string {
	if v, ok := rule.Head.Ref()[0].Value.(ast.Var); ok {
		return string(v)
	}
	return ""
}

// compileError keeps the place and the message of each of OPA's errors.
func compileError(field string, err error) error {
	var list ast.Errors
	var one *ast.Error
	if errors.As(err, &one) {
		list = ast.Errors{one}
	} else if !errors.As(err, &list) {
		return &CompileError{Problems: []string{field + ": " + err.Error()}}
	}
	problems := make([]string, 0, len(list))
	for _, e := range list {
		problems = append(problems, at(e.Location, "%s", e.Message))
	}
	return &CompileError{Problems: problems}
}

// at prefixes a message with file:row:column.
func at(place *ast.Location, format string, args ...any) string {
	message := fmt.Sprintf(format, args...)
	if place == nil {
		return message
	}
	return fmt.Sprintf("%s:%d:%d: %s", place.File, place.Row, place.Col, message)
}
