package lint

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// compilers say what the operator would refuse of an object that fits its schema, and
// set what can be asked of one that it takes.
var compilers = map[string]func(ctx context.Context, l *linter, s *subject) []check.Remark{
	"AlertSource":    compileSource,
	"Analyst":        compileAnalyst,
	"ApprovalPolicy": compilePolicy,
	"Connector":      compileConnector,
	"DetectionRule":  compileRule,
	"Playbook":       compilePlaybook,
	"ResponseAction": compileAction,
}

func kinds() []string { return slices.Sorted(maps.Keys(files)) }

// typed reads an object into its Go type.
func typed[T any](o *object) (*T, []check.Remark) {
	into := new(T)
	raw, err := json.Marshal(o.value)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return nil, []check.Remark{check.Errorf(check.RuleSchema, "", "%v", err)}
	}
	return into, nil
}

func compileSource(_ context.Context, _ *linter, s *subject) []check.Remark {
	source, wrong := typed[v1alpha1.AlertSource](s.object)
	if wrong != nil {
		return wrong
	}
	_, invalid := decode.Window(&source.Spec)
	_, err := decode.New(&source.Spec)
	s.remarks = func() []check.Remark { return decode.Remarks(&source.Spec) }
	return append(explain(invalid), explain(err)...)
}

func compileAnalyst(ctx context.Context, l *linter, s *subject) []check.Remark {
	a, wrong := typed[v1alpha1.Analyst](s.object)
	if wrong != nil {
		return wrong
	}
	s.remarks = func() []check.Remark { return l.catalog(ctx, s.object).absent("spec.connector", a.Spec.Connector) }
	_, invalid := analyst.SettingsOf(a)
	return append(explain(analyst.CheckName(a.Name)), explain(invalid)...)
}

func compileConnector(ctx context.Context, l *linter, s *subject) []check.Remark {
	c, wrong := typed[v1alpha1.Connector](s.object)
	if wrong != nil {
		return wrong
	}
	return explain(l.tools.add(ctx, s.object, c))
}

func compileRule(_ context.Context, l *linter, s *subject) []check.Remark {
	rule, wrong := typed[v1alpha1.DetectionRule](s.object)
	if wrong != nil {
		return wrong
	}
	compiled, err := detect.Compile(rule)
	if err != nil {
		return explain(err)
	}
	s.remarks = func() []check.Remark { return compiled.Remarks(l.options.Now) }
	s.tests = compiled.Tests
	return nil
}

func compilePlaybook(ctx context.Context, l *linter, s *subject) []check.Remark {
	p, wrong := typed[v1alpha1.Playbook](s.object)
	if wrong != nil {
		return wrong
	}
	c := l.catalog(ctx, s.object)
	for i, q := range p.Spec.Questions {
		c.use(q.Use, v1alpha1.OperationRead)
		l.note(s.object, c.absent(fmt.Sprintf("spec.questions[%d].use.connector", i), q.Use.Connector)...)
	}
	for i, a := range p.Spec.Actions {
		c.use(a.Use, v1alpha1.OperationWrite)
		l.note(s.object, c.absent(fmt.Sprintf("spec.actions[%d].use.connector", i), a.Use.Connector)...)
	}
	compiled, err := playbook.Compile(p.Name, p.Spec, c)
	if err != nil {
		return explain(err)
	}
	s.remarks = compiled.Remarks
	s.tests = compiled.Tests
	return nil
}

func compilePolicy(ctx context.Context, l *linter, s *subject) []check.Remark {
	p, wrong := typed[v1alpha1.ApprovalPolicy](s.object)
	if wrong != nil {
		return wrong
	}
	checked, err := policy.Check(p.Spec)
	if err != nil {
		return explain(err)
	}
	s.remarks = func() []check.Remark {
		return append(checked.Remarks(), l.catalog(ctx, s.object).scope(p.Spec.Scope)...)
	}
	s.tests = func() []check.Test {
		tests, covered := checked.Tests(ctx)
		s.covered = &covered
		return tests
	}
	s.policy = p
	return nil
}

// scope warns of operations that no connector offers: the policy never speaks of them.
func (c *catalog) scope(scope *v1alpha1.PolicyScope) []check.Remark {
	if scope == nil {
		return nil
	}
	var found []check.Remark
	unknown := false
	for i, name := range scope.Connectors {
		absent := c.absent(fmt.Sprintf("spec.scope.connectors[%d]", i), name)
		found = append(found, absent...)
		unknown = unknown || len(absent) > 0
	}
	names := scope.Connectors
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(c.connectors))
	}
	for i, name := range scope.Operations {
		offered := slices.ContainsFunc(names, func(connector string) bool {
			o, err := c.Operation(connector, name)
			return err == nil && o.Mode == v1alpha1.OperationWrite
		})
		if !offered && !unknown {
			found = append(found, check.Warningf(check.RuleReference, fmt.Sprintf("spec.scope.operations[%d]", i), "no connector of %v offers an action %q", names, name))
		}
	}
	return found
}

func compileAction(ctx context.Context, l *linter, s *subject) []check.Remark {
	a, wrong := typed[v1alpha1.ResponseAction](s.object)
	if wrong != nil || a.Spec.Use == nil {
		return wrong // an undo
	}
	c := l.catalog(ctx, s.object)
	use := a.Spec.Use
	if absent := c.absent("spec.use.connector", use.Connector); absent != nil {
		return absent
	}
	o, err := c.Operation(use.Connector, use.Operation)
	if err != nil {
		return []check.Remark{check.Errorf(check.RuleCompile, "spec.use.operation", "%v", err)}
	}
	if o.Mode != v1alpha1.OperationWrite {
		return []check.Remark{check.Errorf(check.RuleCompile, "spec.use.operation", "%s only asks, expected an action", o.Name)}
	}
	var arguments map[string]any
	if use.With != nil {
		err = json.Unmarshal(use.With.Raw, &arguments)
	}
	if err == nil {
		err = o.ValidateArguments(arguments)
	}
	if err != nil {
		return []check.Remark{check.Errorf(check.RuleCompile, "spec.use.with", "%v", err)}
	}
	return nil
}

// explain parts the errors of an engine, each of which begins with the field that it is about.
func explain(err error) []check.Remark {
	switch e := err.(type) {
	case nil:
		return nil
	case *policy.CompileError:
		var remarks []check.Remark
		for _, problem := range e.Problems {
			remarks = append(remarks, remark(problem))
		}
		return remarks
	case interface{ Unwrap() []error }:
		var remarks []check.Remark
		for _, part := range e.Unwrap() {
			remarks = append(remarks, explain(part)...)
		}
		return remarks
	}
	return []check.Remark{remark(err.Error())}
}

// beginning is the path of a field, its row and column where they are known, and what is wrong with it.
var beginning = regexp.MustCompile(`(?s)^((?:spec|metadata)(?:\.[A-Za-z]+|\["(?:[^"\\]|\\.)*"\]|\[[^\]]*\])*)(?::(\d+):\d+)?: (.*)$`)

func remark(problem string) check.Remark {
	m := beginning.FindStringSubmatch(problem)
	if m == nil {
		return check.Errorf(check.RuleCompile, "spec", "%s", strings.Join(strings.Fields(problem), " "))
	}
	message, row := plain(m[3])
	if m[2] != "" {
		row, _ = strconv.Atoi(m[2])
	}
	r := check.Errorf(check.RuleCompile, m[1], "%s", message)
	r.Row = row
	return r
}

// celIssue is one of what CEL's compiler says, which also draws a picture of it.
var celIssue = regexp.MustCompile(`ERROR: <input>:(\d+):(\d+): ([^\n]*)`)

// plain takes the pictures out of an error of CEL's compiler, and returns the row of its first issue.
func plain(message string) (text string, row int) {
	issues := celIssue.FindAllStringSubmatch(message, -1)
	if issues == nil {
		return strings.Join(strings.Fields(message), " "), 0
	}
	before, _, _ := strings.Cut(message, "ERROR: <input>:")
	var parts []string
	for _, m := range issues {
		parts = append(parts, strings.TrimSuffix(m[3], " (in container '')")+" at "+m[1]+":"+m[2])
	}
	row, _ = strconv.Atoi(issues[0][1])
	return strings.Join(strings.Fields(before+strings.Join(parts, "; ")), " "), row
}
