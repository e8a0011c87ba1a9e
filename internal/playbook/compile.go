package playbook

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/expr"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// ErrUnknownOperation is wrapped when a playbook names a connector or an operation that does not exist.
var ErrUnknownOperation = errors.New("unknown operation")

// What expressions may use, by place.
var (
	alertEnv    = expr.MustEnv("alert")
	variableEnv = expr.MustEnv("answers", "alert", "case")
	weighEnv    = expr.MustEnv("answer", "answers", "alert", "case")
	actionEnv   = expr.MustEnv("verdict", "probability", "alert", "case", "answers")
)

// Playbook is compiled and safe for concurrent use.
type Playbook struct {
	// Name of the playbook.
	Name string

	mode      v1alpha1.PlaybookMode
	match     *expr.Program
	variables *variables
	questions []*question
	actions   []*action
	tests     []v1alpha1.PlaybookTest
}

type question struct {
	spec      v1alpha1.Question
	operation operation.Operation
	when      *expr.Program
	with      *arguments
	// steered: text that an attacker may have written chose what is asked about.
	steered bool
	weigh   []*weight
}

type weight struct {
	spec      v1alpha1.Weigh
	condition *expr.Program
	because   *expr.Template
	// untrusted is what the condition reads that an attacker may have written.
	untrusted []string
}

type action struct {
	spec      v1alpha1.ProposedAction
	operation operation.Operation
	when      *expr.Program
	with      *arguments
}

// Compile checks a playbook against the operations that exist. The error names
// each field; it wraps ErrUnknownOperation where an operation does not exist.
func Compile(name string, spec v1alpha1.PlaybookSpec, catalog operation.Catalog) (*Playbook, error) {
	if name == UniversalName {
		return nil, fmt.Errorf("metadata.name: %q is the playbook that Tocsin brings along; give this one another name", name)
	}
	return compile(name, spec, catalog)
}

func compile(name string, spec v1alpha1.PlaybookSpec, catalog operation.Catalog) (*Playbook, error) {
	p := &Playbook{Name: name, mode: cmp.Or(spec.Mode, v1alpha1.PlaybookEnabled), tests: spec.Tests}
	var errs []error
	var err error
	if p.match, err = alertEnv.Condition(spec.Match); err != nil {
		errs = append(errs, fmt.Errorf("spec.match: %w", err))
	}
	byID, err := p.compileQuestions(spec.Questions, catalog)
	if err != nil {
		// What refers to a question that does not compile cannot be judged.
		return nil, errors.Join(append(errs, err)...)
	}
	p.variables, err = compileVariables(spec.Variables, byID)
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	for i, q := range p.questions {
		if err := q.compileWeights(p, byID); err != nil {
			errs = append(errs, fmt.Errorf("spec.questions[%d].%w", i, err))
		}
	}
	errs = append(errs, p.compileActions(spec.Actions, byID, catalog)...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

func (p *Playbook) compileQuestions(specs []v1alpha1.Question, catalog operation.Catalog) (map[string]*question, error) {
	byID := map[string]*question{}
	var errs []error
	for i, q := range specs {
		compiled, err := compileQuestion(q, catalog)
		if err == nil && byID[q.ID] != nil {
			err = fmt.Errorf("id: %q is taken by an earlier question", q.ID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("spec.questions[%d].%w", i, err))
			continue
		}
		byID[q.ID] = compiled
		p.questions = append(p.questions, compiled)
	}
	return byID, errors.Join(errs...)
}

// find returns an operation of the wanted mode.
func find(catalog operation.Catalog, use v1alpha1.Use, mode v1alpha1.OperationMode) (operation.Operation, error) {
	o, err := catalog.Operation(use.Connector, use.Operation)
	if err != nil {
		return o, fmt.Errorf("use: %w: %w", ErrUnknownOperation, err)
	}
	if o.Mode != mode {
		return o, fmt.Errorf("use.operation: %s/%s is a %s operation, expected a %s one", use.Connector, use.Operation, o.Mode, mode)
	}
	if o.InverseOnly {
		return o, fmt.Errorf("use.operation: %s/%s only takes back another action and cannot be asked for", use.Connector, use.Operation)
	}
	return o, nil
}

// compileUse finds the operation and checks what is known of its arguments.
func compileUse(env *expr.Env, catalog operation.Catalog, use v1alpha1.Use, mode v1alpha1.OperationMode) (operation.Operation, *arguments, error) {
	o, err := find(catalog, use, mode)
	if err != nil {
		return o, nil, err
	}
	with, err := compileArguments(env, use.With)
	if err != nil {
		return o, nil, fmt.Errorf("use.with: %w", err)
	}
	if err := o.ValidateTemplate(with.literal(), with.templates); err != nil {
		return o, nil, fmt.Errorf("use.with: %s/%s: %w", use.Connector, use.Operation, err)
	}
	return o, with, nil
}

func compileQuestion(spec v1alpha1.Question, catalog operation.Catalog) (*question, error) {
	q := &question{spec: spec}
	var err error
	if q.operation, q.with, err = compileUse(alertEnv, catalog, spec.Use, v1alpha1.OperationRead); err != nil {
		return nil, err
	}
	q.steered = steered(q.with.programs)
	if spec.When != "" {
		if q.when, err = alertEnv.Condition(spec.When); err != nil {
			return nil, fmt.Errorf("when: %w", err)
		}
	}
	return q, nil
}

func (q *question) compileWeights(p *Playbook, byID map[string]*question) error {
	for i, spec := range q.spec.Weigh {
		condition, err := p.variables.weigh.Condition(spec.If)
		if err != nil {
			return fmt.Errorf("weigh[%d].if: %w", i, err)
		}
		because, err := p.variables.weigh.Template(spec.Because)
		if err != nil {
			return fmt.Errorf("weigh[%d].because: %w", i, err)
		}
		if err := q.checkReads(condition, byID); err != nil {
			return fmt.Errorf("weigh[%d].if: %w", i, err)
		}
		for _, program := range because.Programs() {
			if err := q.checkReads(program, byID); err != nil {
				return fmt.Errorf("weigh[%d].because: %w", i, err)
			}
		}
		w := &weight{spec: spec, condition: condition, because: because, untrusted: q.untrusted(condition, byID)}
		if spec.Decibans < 0 {
			w.untrusted = append(w.untrusted, chosen(p.match, q.when)...)
		}
		q.weigh = append(q.weigh, w)
	}
	return nil
}

func (p *Playbook) compileActions(specs []v1alpha1.ProposedAction, byID map[string]*question, catalog operation.Catalog) []error {
	taken := map[string]bool{}
	var errs []error
	for i, spec := range specs {
		a, err := compileAction(spec, p.variables.action, byID, catalog)
		if err == nil && taken[spec.ID] {
			err = fmt.Errorf("id: %q is taken by an earlier action", spec.ID)
		}
		if err == nil {
			err = checkAfter(spec, taken)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("spec.actions[%d].%w", i, err))
			continue
		}
		taken[spec.ID] = true
		p.actions = append(p.actions, a)
	}
	return errs
}

// checkAfter: what an action depends on stands further up, so that nothing waits for itself.
func checkAfter(spec v1alpha1.ProposedAction, above map[string]bool) error {
	for i, earlier := range spec.After {
		if !above[earlier.ID] {
			return fmt.Errorf("after[%d].id: there is no action %q further up; above it are %v", i, earlier.ID, slices.Sorted(maps.Keys(above)))
		}
	}
	return nil
}

func compileAction(spec v1alpha1.ProposedAction, env *expr.Env, byID map[string]*question, catalog operation.Catalog) (*action, error) {
	a := &action{spec: spec}
	var err error
	if a.operation, a.with, err = compileUse(env, catalog, spec.Use, v1alpha1.OperationWrite); err != nil {
		return nil, err
	}
	if a.when, err = env.Condition(spec.When); err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	if err := checkAnswers(a.when, byID); err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	for _, program := range a.with.programs {
		if err := checkAnswers(program, byID); err != nil {
			return nil, fmt.Errorf("use.with: %w", err)
		}
	}
	return a, nil
}
