// Package operation describes what connectors can do: the part of the contract
// that playbooks and policies are checked against without a cluster.
package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Operation is one thing that a connector can be asked or told.
type Operation struct {
	// Name is unique within the connector type, such as isolate-pod.
	Name string
	// Summary says in one line what it does.
	Summary string
	// Mode is Read for questions, Write for actions.
	Mode v1alpha1.OperationMode
	// Risk of an action; empty for a question.
	Risk v1alpha1.Risk
	// Undo says whether an action can be undone; empty for a question.
	Undo v1alpha1.OperationUndo
	// InverseOnly: it only takes back another action and cannot be asked for by name.
	InverseOnly bool
	// Arguments and Result are JSON Schemas (draft 2020-12) of objects.
	Arguments, Result string
	// Untrusted are the dotted paths of result fields that an attacker could have
	// written, such as "labels" or "owner.name". A path covers what is below it.
	Untrusted []string

	arguments, result *jsonschema.Schema
}

// Compile checks the schemas. It must be called before the Validate methods.
func (o Operation) Compile() (Operation, error) {
	var err error
	if o.arguments, err = compileSchema(o.Name+"/arguments", o.Arguments); err != nil {
		return o, err
	}
	o.result, err = compileSchema(o.Name+"/result", o.Result)
	return o, err
}

// MustCompile is Compile for operations that are part of the program.
func MustCompile(operations ...Operation) []Operation {
	compiled := make([]Operation, 0, len(operations))
	for _, o := range operations {
		c, err := o.Compile()
		if err != nil {
			panic(err)
		}
		compiled = append(compiled, c)
	}
	return compiled
}

// ValidateArguments returns an error that names each argument that does not fit.
func (o Operation) ValidateArguments(arguments map[string]any) error {
	return validate(o.arguments, arguments, "argument")
}

// ValidateResult returns an error that names each field that does not fit.
func (o Operation) ValidateResult(result map[string]any) error {
	return validate(o.result, result, "field")
}

// AttackerWritable says whether a dotted path of the result, or anything below or above it, is untrusted.
func (o Operation) AttackerWritable(path string) bool {
	return slices.ContainsFunc(o.Untrusted, func(u string) bool {
		return path == "" || path == u || strings.HasPrefix(path, u+".") || strings.HasPrefix(u, path+".")
	})
}

// Catalog finds an operation by the connector's and its own name.
type Catalog interface {
	// Operation returns the operation, or an error that names what does not exist.
	Operation(connector, name string) (Operation, error)
}

func compileSchema(name, text string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	c := jsonschema.NewCompiler()
	url := "mem:///" + name
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	return s, nil
}

func validate(s *jsonschema.Schema, value map[string]any, what string) error {
	invalid, err := check(s, value, what)
	if invalid == nil {
		return err
	}
	return errors.New(strings.Join(leaves(invalid, what), "; "))
}

func (o Operation) invalid(arguments map[string]any) (*jsonschema.ValidationError, error) {
	return check(o.arguments, arguments, "argument")
}

// check goes through JSON first, so that Go's own types do not matter. It returns
// what does not fit, or an error of any other kind.
func check(s *jsonschema.Schema, value map[string]any, what string) (*jsonschema.ValidationError, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if doc == nil {
		doc = map[string]any{}
	}
	err = s.Validate(doc)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return invalid, nil
	}
	return nil, err
}

func leaves(e *jsonschema.ValidationError, what string) []string {
	if len(e.Causes) == 0 {
		place := what + "s"
		if len(e.InstanceLocation) > 0 {
			place = what + " " + strings.Join(e.InstanceLocation, ".")
		}
		return []string{place + ": " + e.ErrorKind.LocalizedString(message.NewPrinter(language.English))}
	}
	var found []string
	for _, cause := range e.Causes {
		found = append(found, leaves(cause, what)...)
	}
	return found
}
