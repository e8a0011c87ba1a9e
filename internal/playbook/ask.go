package playbook

import (
	"encoding/json"
	"fmt"

	"github.com/tocsin-dev/tocsin/internal/expr"
)

// maxNameInID leaves room in the 128 characters of a question's id within a case.
const maxNameInID = 48

// Ask is one question about one alert, with its arguments resolved.
type Ask struct {
	// ID within the case, as playbook/question. Asks of several alerts share it.
	ID string
	// Question is the id within the playbook: the key in Answers.
	Question string
	// Ask is the question in words.
	Ask string
	// Connector, Operation and Arguments say what to ask.
	Connector, Operation string
	Arguments            map[string]any
	// From names the playbook.
	From string
}

// Key is the same for asks that get the same answer.
func (a Ask) Key() string { return key(a.Connector, a.Operation, a.Arguments) }

func key(connector, operation string, arguments map[string]any) string {
	raw, err := json.Marshal(arguments) // sorts the keys
	if err != nil {
		raw = fmt.Append(nil, arguments)
	}
	return connector + "/" + operation + string(raw)
}

// Matches says whether the playbook is about the alert.
func (p *Playbook) Matches(alert Alert) (bool, error) {
	return holds(p.match, alert, map[string]any{"alert": map[string]any(alert)})
}

// Questions returns what to ask about an alert that matches. A question about
// something that the alert does not have is not asked. An error names the
// question that could not be put; it must be shown as not known.
func (p *Playbook) Questions(alert Alert) ([]Ask, []error) {
	vars := map[string]any{"alert": map[string]any(alert)}
	var asks []Ask
	var errs []error
	for _, q := range p.questions {
		ask, err := p.ask(q, alert, vars)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: question %s: %w", p.Name, q.spec.ID, err))
		}
		if ask != nil {
			asks = append(asks, *ask)
		}
	}
	return asks, errs
}

func (p *Playbook) ask(q *question, alert Alert, vars map[string]any) (*Ask, error) {
	if q.when != nil {
		if ok, err := holds(q.when, alert, vars); !ok {
			return nil, err
		}
	}
	with, err := q.with.resolve(vars)
	if err != nil {
		if lacks(alert, q.with.programs...) {
			return nil, nil
		}
		return nil, err
	}
	name := p.Name
	if len(name) > maxNameInID {
		name = name[:maxNameInID]
	}
	return &Ask{
		ID: name + "/" + q.spec.ID, Question: q.spec.ID, Ask: q.spec.Ask, From: p.Name,
		Connector: q.spec.Use.Connector, Operation: q.spec.Use.Operation, Arguments: with,
	}, nil
}

// holds evaluates a condition. One about something that the alert does not have is false.
func holds(condition *expr.Program, alert Alert, vars map[string]any) (bool, error) {
	ok, err := condition.True(vars)
	if err != nil && lacks(alert, condition) {
		return false, nil
	}
	return ok, err
}

// lacks says whether the programs read something that the alert does not have.
func lacks(alert Alert, programs ...*expr.Program) bool {
	for _, p := range programs {
		for _, path := range p.Reads("alert") {
			if !alert.has(path) {
				return true
			}
		}
	}
	return false
}
