package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// ValidateTemplate checks arguments before run time: open names those whose values
// are not known yet. Their names and everything about the others are checked, as
// far as a rule of the schema does not span several arguments.
func (o Operation) ValidateTemplate(arguments map[string]any, open map[string]bool) error {
	if names := properties(o.Arguments); names != nil {
		for _, name := range slices.Sorted(maps.Keys(arguments)) {
			if _, ok := names[name]; !ok {
				return fmt.Errorf("argument %s: there is none of this name; there are %v", name, slices.Sorted(maps.Keys(names)))
			}
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(open)), true) {
		return o.ValidateArguments(arguments)
	}
	invalid, err := o.invalid(arguments)
	if invalid == nil {
		return err
	}
	var found []string
	for _, e := range basic(invalid) {
		if len(e.InstanceLocation) > 0 && open[e.InstanceLocation[0]] || spans(e.SchemaURL) {
			continue
		}
		found = append(found, leaves(e, "argument")...)
	}
	if len(found) == 0 {
		return nil
	}
	return errors.New(strings.Join(found, "; "))
}

// spans says whether an error comes from a rule that looks at several arguments together.
func spans(schemaURL string) bool {
	_, place, _ := strings.Cut(schemaURL, "#")
	return slices.ContainsFunc(strings.Split(place, "/"), func(keyword string) bool {
		return slices.Contains([]string{"oneOf", "anyOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"}, keyword)
	})
}

// basic are the errors at the ends of the tree.
func basic(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var found []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		found = append(found, basic(cause)...)
	}
	return found
}

// CheckResultPath returns an error if no result has a field at the dotted path. Where
// the schema does not list fields, any field may be there.
func (o Operation) CheckResultPath(path string) error {
	at, schema := "", o.Result
	for path != "" {
		names := properties(schema)
		if names == nil {
			return nil
		}
		var name string
		name, path, _ = strings.Cut(path, ".")
		below, ok := names[name]
		if !ok {
			return fmt.Errorf("field %s%s: there is none of this name; there are %v", at, name, slices.Sorted(maps.Keys(names)))
		}
		at, schema = at+name+".", string(below)
	}
	return nil
}

// properties of an object that a schema lists; nil if it lists none.
func properties(schema string) map[string]json.RawMessage {
	var s struct {
		Properties           map[string]json.RawMessage `json:"properties"`
		PatternProperties    json.RawMessage            `json:"patternProperties"`
		AdditionalProperties any                        `json:"additionalProperties"`
	}
	if err := json.Unmarshal([]byte(schema), &s); err != nil || s.PatternProperties != nil {
		return nil
	}
	if _, open := s.AdditionalProperties.(map[string]any); open || s.AdditionalProperties == true {
		return nil
	}
	return s.Properties
}
