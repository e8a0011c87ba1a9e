package scenario

import (
	"bufio"
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

//go:embed schema.json
var schemaJSON []byte

var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("scenario.json", document); err != nil {
		return nil, err
	}
	return compiler.Compile("scenario.json")
})

// Load reads every scenario below a folder, in the order of their names. The error
// names each file, document and field that is wrong.
func Load(dir string) ([]Scenario, error) {
	var all []Scenario
	var wrong []error
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		some, err := Parse(raw)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", path, err))
		}
		all = append(all, some...)
		return nil
	})
	if err := errors.Join(append(wrong, err)...); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Scenario) int { return strings.Compare(a.Name, b.Name) })
	return all, distinct(all)
}

func distinct(all []Scenario) error {
	names := map[string]bool{}
	for _, s := range all {
		if names[s.Name] {
			return fmt.Errorf("name: two scenarios are named %q", s.Name)
		}
		names[s.Name] = true
	}
	for _, s := range all {
		if s.Twin != "" && !names[s.Twin] {
			return fmt.Errorf("scenario %s: twin: there is no scenario %q", s.Name, s.Twin)
		}
	}
	return nil
}

// Parse reads scenarios from YAML, one a document.
func Parse(raw []byte) ([]Scenario, error) {
	var all []Scenario
	documents := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for i := 1; ; i++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		s, err := one(document)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		if s != nil {
			all = append(all, *s)
		}
	}
}

// one scenario; nil for an empty document.
func one(document []byte) (*Scenario, error) {
	asJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	if string(asJSON) == "null" {
		return nil, nil
	}
	if err := valid(asJSON); err != nil {
		return nil, err
	}
	s := &Scenario{}
	if err := json.Unmarshal(asJSON, s); err != nil {
		return nil, named(s, err)
	}
	return s, named(s, errors.Join(knownFields(asJSON), s.check()))
}

// knownFields errs on a field that the spec of an Analyst does not have, which the schema leaves to its kind.
func knownFields(document []byte) error {
	var given struct {
		Analyst json.RawMessage `json:"analyst"`
	}
	if err := json.Unmarshal(document, &given); err != nil || given.Analyst == nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(given.Analyst))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v1alpha1.AnalystSpec{}); err != nil {
		return fmt.Errorf("analyst: %w", err)
	}
	return nil
}

// named says which scenario is wrong, where its name could be read.
func named(s *Scenario, err error) error {
	if err == nil || s.Name == "" {
		return err
	}
	return fmt.Errorf("scenario %s: %w", s.Name, err)
}

// valid compares a document with the schema.
func valid(document []byte) error {
	checked, err := schema()
	if err != nil {
		return fmt.Errorf("schema.json: %w", err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	err = checked.Validate(value)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	s := &Scenario{}
	if top, ok := value.(map[string]any); ok {
		s.Name, _ = top["name"].(string)
	}
	return named(s, errors.New(strings.Join(leaves(invalid), "; ")))
}

// leaves are the causes at the bottom, each with the field that it is about.
func leaves(e *jsonschema.ValidationError) []string {
	var found []string
	for _, cause := range e.Causes {
		found = append(found, leaves(cause)...)
	}
	if len(found) > 0 {
		return found
	}
	return []string{field(e.InstanceLocation) + ": " + e.ErrorKind.LocalizedString(message.NewPrinter(language.English))}
}

// field writes a place as people write it: events[0].after.
func field(path []string) string {
	var b strings.Builder
	for _, step := range path {
		switch _, err := strconv.Atoi(step); {
		case err == nil:
			b.WriteString("[" + step + "]")
		case b.Len() > 0:
			b.WriteString("." + step)
		default:
			b.WriteString(step)
		}
	}
	return cmp.Or(b.String(), "(root)")
}
