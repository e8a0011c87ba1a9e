package scenario

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
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
	checked, err := schema()
	if err != nil {
		return nil, fmt.Errorf("schema.json: %w", err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	if err := checked.Validate(value); err != nil {
		return nil, err
	}
	s := &Scenario{}
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(s); err != nil {
		return nil, err
	}
	for i, fact := range s.Expect.Facts {
		if _, err := regexp.Compile(fact); err != nil {
			return nil, fmt.Errorf("expect.facts[%d]: %w", i, err)
		}
	}
	return s, nil
}
