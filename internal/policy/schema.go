package policy

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// schemaText is the JSON Schema (draft 2020-12) of Input.
//
//go:embed input.schema.json
var schemaText []byte

// partSchema is the schema of the parts of the document that tests write down.
var partSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		return nil, fmt.Errorf("schema of the input: %w", err)
	}
	demandNothing(doc)
	return compileSchema(doc)
})

func compileSchema(doc any) (*jsonschema.Schema, error) {
	const url = "mem:///input"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("schema of the input: %w", err)
	}
	return c.Compile(url)
}

// demandNothing takes every demand for fields out of a schema.
func demandNothing(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if _, list := s["required"].([]any); list {
			delete(s, "required")
		}
		for _, below := range s {
			demandNothing(below)
		}
	case []any:
		for _, below := range s {
			demandNothing(below)
		}
	}
}

// misfits names each field that does not fit, and what was expected.
func misfits(err error) error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	found := leaves(invalid)
	slices.Sort(found)
	return errors.New(strings.Join(slices.Compact(found), "; "))
}

func leaves(e *jsonschema.ValidationError) []string {
	var found []string
	for _, cause := range e.Causes {
		found = append(found, leaves(cause)...)
	}
	if len(e.Causes) > 0 {
		return found
	}
	place := strings.Join(append([]string{"input"}, e.InstanceLocation...), ".")
	if unknown, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		for _, name := range unknown.Properties {
			found = append(found, fmt.Sprintf("no input has %s.%s", place, name))
		}
		return found
	}
	return []string{place + ": " + e.ErrorKind.LocalizedString(message.NewPrinter(language.English))}
}
