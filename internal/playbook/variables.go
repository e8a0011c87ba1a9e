package playbook

import (
	"fmt"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

// variables are the named expressions of a playbook. Conditions use them as if they were
// written out, so that who could have written what they read is known of each condition.
type variables struct {
	named []*variable
	// weigh and action are the places that know the variables.
	weigh, action *expr.Env
}

type variable struct {
	name    string
	program *expr.Program
}

func compileVariables(specs []v1alpha1.Variable, byID map[string]*question) (*variables, error) {
	v := &variables{weigh: weighEnv, action: actionEnv}
	own := variableEnv
	taken := map[string]bool{}
	for i, spec := range specs {
		path := fmt.Sprintf("spec.variables[%d]", i)
		if taken[spec.Name] {
			return nil, fmt.Errorf("%s.name: %q is taken by an earlier variable", path, spec.Name)
		}
		taken[spec.Name] = true
		program, err := own.Compile(spec.Expression)
		if err == nil {
			err = checkAnswers(program, byID)
		}
		if err != nil {
			return nil, fmt.Errorf("%s.expression: %w", path, err)
		}
		named := &variable{name: "variables." + spec.Name, program: program}
		for _, env := range []**expr.Env{&own, &v.weigh, &v.action} {
			if *env, err = (*env).With(named.name, program); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		v.named = append(v.named, named)
	}
	return v, nil
}

// remarks are about the variables themselves; what is wrong in one is said there only.
func (v *variables) remarks(used map[string]bool) []check.Remark {
	var found []check.Remark
	for i, named := range v.named {
		path := fmt.Sprintf("spec.variables[%d]", i)
		found = append(found, unknownNames(path+".expression", named.program)...)
		if !used[named.name] {
			found = append(found, check.Warningf(check.RuleNoEffect, path, "nothing uses %s", named.name))
		}
	}
	return found
}

// used are the names of the variables that something uses.
func (p *Playbook) used() map[string]bool {
	used := map[string]bool{}
	note := func(programs ...*expr.Program) {
		for _, program := range programs {
			for _, name := range program.Named() {
				used[name] = true
			}
		}
	}
	for _, named := range p.variables.named {
		note(named.program)
	}
	for _, q := range p.questions {
		for _, w := range q.weigh {
			note(w.condition)
			note(w.because.Programs()...)
		}
	}
	for _, a := range p.actions {
		note(a.when)
		note(a.with.programs...)
	}
	return used
}
