package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

var (
	bodyEnv  = expr.MustEnv("body")
	eventEnv = expr.MustEnv("body", "event")
)

// mapping is a compiled GenericMapping. Optional programs are nil.
type mapping struct {
	items, when, rule, title, severity, techniques, time *expr.Program

	entities   []entityProgram
	attributes map[string]*expr.Program
}

type entityProgram struct {
	kind  v1alpha1.EntityType
	role  v1alpha1.EntityRole
	value *expr.Program
}

// newMapping compiles every expression; the error names each that does not compile.
func newMapping(spec *v1alpha1.GenericMapping) (*mapping, error) {
	var errs []error
	compile := func(compile func(string) (*expr.Program, error), field, source string) *expr.Program {
		if source == "" {
			return nil
		}
		program, err := compile(source)
		if err != nil {
			errs = append(errs, fmt.Errorf("spec.mapping.%s: %w", field, err))
		}
		return program
	}
	if spec.Rule == "" {
		errs = append(errs, errors.New("spec.mapping.rule: must be set"))
	}
	m := &mapping{
		items:      compile(bodyEnv.Compile, "items", spec.Items),
		when:       compile(eventEnv.Condition, "when", spec.When),
		rule:       compile(eventEnv.Compile, "rule", spec.Rule),
		title:      compile(eventEnv.Compile, "title", spec.Title),
		severity:   compile(eventEnv.Compile, "severity", spec.Severity),
		techniques: compile(eventEnv.Compile, "techniques", spec.Techniques),
		time:       compile(eventEnv.Compile, "time", spec.Time),
		attributes: map[string]*expr.Program{},
	}
	for i, e := range spec.Entities {
		program := compile(eventEnv.Compile, fmt.Sprintf("entities[%d].value", i), e.Value)
		if program == nil && e.Value == "" {
			errs = append(errs, fmt.Errorf("spec.mapping.entities[%d].value: must be set", i))
		}
		m.entities = append(m.entities, entityProgram{kind: e.Type, role: e.Role, value: program})
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Attributes)) {
		if name == "" || utf8.RuneCountInString(name) > maxName {
			errs = append(errs, fmt.Errorf("spec.mapping.attributes[%q]: a name has 1 to %d characters", name, maxName))
			continue
		}
		if program := compile(eventEnv.Compile, fmt.Sprintf("attributes[%q]", name), spec.Attributes[name]); program != nil {
			m.attributes[name] = program
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return m, nil
}

// list returns the events of a body.
func (m *mapping) list(body any) ([]any, error) {
	if m.items == nil {
		return []any{body}, nil
	}
	v, err := m.items.Value(map[string]any{"body": body})
	if err != nil {
		return nil, fmt.Errorf("spec.mapping.items: %w", err)
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("spec.mapping.items: must yield a list, not %T", v)
	}
	return items, nil
}

func jsonOf(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil { // Plain JSON values always marshal.
		return []byte("null")
	}
	return raw
}
