package playbook

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tocsin-dev/tocsin/internal/expr"
)

// arguments of an operation, with CEL in their strings.
type arguments struct {
	values map[string]any
	// templates are the top-level arguments that hold CEL.
	templates map[string]bool
	programs  []*expr.Program
}

// compileArguments reads arguments. Strings become templates where they hold ${.
func compileArguments(env *expr.Env, raw *runtime.RawExtension) (*arguments, error) {
	a := &arguments{values: map[string]any{}, templates: map[string]bool{}}
	if raw == nil || len(raw.Raw) == 0 {
		return a, nil
	}
	var plain map[string]any
	if err := json.Unmarshal(raw.Raw, &plain); err != nil {
		return nil, fmt.Errorf("must be an object of arguments: %w", err)
	}
	for name, value := range plain {
		before := len(a.programs)
		compiled, err := a.compile(env, value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		a.values[name] = compiled
		a.templates[name] = len(a.programs) > before
	}
	return a, nil
}

func (a *arguments) compile(env *expr.Env, value any) (any, error) {
	switch v := value.(type) {
	case string:
		t, err := env.Template(v)
		if err != nil || len(t.Programs()) == 0 {
			return v, err
		}
		a.programs = append(a.programs, t.Programs()...)
		return t, nil
	case map[string]any:
		for name, item := range v {
			compiled, err := a.compile(env, item)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			v[name] = compiled
		}
	case []any:
		for i, item := range v {
			compiled, err := a.compile(env, item)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			v[i] = compiled
		}
	}
	return value, nil
}

// literal returns the arguments as written, for checks before run time.
func (a *arguments) literal() map[string]any {
	known := map[string]any{}
	for name, value := range a.values {
		if a.templates[name] {
			value = nil
		}
		known[name] = value
	}
	return known
}

// resolve evaluates the templates. An argument that comes out as null is left out.
func (a *arguments) resolve(vars map[string]any) (map[string]any, error) {
	resolved, err := resolve(a.values, vars)
	if err != nil {
		return nil, err
	}
	m := resolved.(map[string]any)
	for name, value := range m {
		if value == nil {
			delete(m, name)
		}
	}
	return m, nil
}

func resolve(value any, vars map[string]any) (any, error) {
	switch v := value.(type) {
	case *expr.Template:
		return v.Value(vars)
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			resolved, err := resolve(item, vars)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = resolved
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			resolved, err := resolve(item, vars)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out[i] = resolved
		}
		return out, nil
	}
	return value, nil
}
