package external

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/content"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// Score is what ships, measured on a folder of sets. What the folder lacks is nil or left out.
type Score struct {
	Falco   *Report
	Panther *Report
	// Others are tests of Panther for events that are not an API server's.
	Others   int
	Coverage *Coverage
	// Parsed by sender.
	Parsed map[string]Parsed
}

// Measure scores what config holds on a folder. A set that is not there is left out;
// one that cannot be read is an error that names its file.
func Measure(folder fs.FS, config string, books []*playbook.Playbook) (Score, error) {
	s := Score{Parsed: map[string]Parsed{}}
	if _, err := fs.ReadDir(folder, "."); err != nil {
		return s, err
	}
	rules, err := content.Detections(config)
	if err != nil {
		return s, err
	}
	optional, err := content.Optional(config)
	if err != nil {
		return s, err
	}
	mappings, err := senders(config)
	if err != nil {
		return s, err
	}
	sets := map[string]func(string) error{
		"falco-k8saudit":            func(name string) error { return s.falco(folder, name, append(optional, rules...)) },
		"panther-rule-tests.jsonl":  func(name string) error { return s.panther(folder, name, rules) },
		"falco-rules.jsonl":         func(name string) error { return s.coverage(folder, name, books) },
		"tetragon-events.jsonl":     func(name string) error { return s.lines(folder, name, "tetragon", mappings) },
		"stratus-cloudtrail.jsonl":  func(name string) error { return s.lines(folder, name, "cloudtrail", mappings) },
		"alertmanager-webhook.json": func(name string) error { return s.body(folder, name, "alertmanager", mappings) },
	}
	var errs []error
	for name, measure := range sets {
		if _, err := fs.Stat(folder, name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := measure(name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return s, errors.Join(errs...)
}

func (s *Score) falco(folder fs.FS, name string, rules []v1alpha1.DetectionRule) error {
	mapping, err := Falco()
	if err != nil {
		return err
	}
	set, err := fs.Sub(folder, name)
	if err != nil {
		return err
	}
	cases, err := ReadFalco(set)
	if err != nil {
		return err
	}
	report, err := Agreement(cases, mapping, rules)
	s.Falco = &report
	return err
}

func (s *Score) panther(folder fs.FS, name string, rules []v1alpha1.DetectionRule) error {
	mapping, err := Panther()
	if err != nil {
		return err
	}
	lines, err := open(folder, name)
	if err != nil {
		return err
	}
	cases, others, err := ReadPanther(lines)
	if err != nil {
		return err
	}
	report, err := Agreement(cases, mapping, rules)
	s.Panther, s.Others = &report, others
	return err
}

func (s *Score) coverage(folder fs.FS, name string, books []*playbook.Playbook) error {
	mapping, err := Falco()
	if err != nil {
		return err
	}
	lines, err := open(folder, name)
	if err != nil {
		return err
	}
	rules, err := ReadRules(lines)
	if err != nil {
		return err
	}
	covered, err := Cover(rules, books, mapping)
	s.Coverage = &covered
	return err
}

func (s *Score) lines(folder fs.FS, name, sender string, mappings map[string]v1alpha1.GenericMapping) error {
	lines, err := open(folder, name)
	if err != nil {
		return err
	}
	bodies, err := ReadEvents(lines)
	if err != nil {
		return err
	}
	s.Parsed[sender], err = Parse(mappings[sender], bodies)
	return err
}

func (s *Score) body(folder fs.FS, name, sender string, mappings map[string]v1alpha1.GenericMapping) error {
	body, err := fs.ReadFile(folder, name)
	if err != nil {
		return err
	}
	s.Parsed[sender], err = Parse(mappings[sender], [][]byte{body})
	return err
}

func open(folder fs.FS, name string) (io.Reader, error) {
	raw, err := fs.ReadFile(folder, name)
	return bytes.NewReader(raw), err
}

// senders are the mappings of sources.yaml, and that of the samples for Alertmanager.
func senders(config string) (map[string]v1alpha1.GenericMapping, error) {
	all, err := Sources()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(config, "samples", "sources.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for _, document := range bytes.Split(raw, []byte("\n---\n")) {
		var source v1alpha1.AlertSource
		if err := yaml.UnmarshalStrict(document, &source); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if source.Spec.Mapping != nil {
			all[source.Name] = *source.Spec.Mapping
		}
	}
	return all, nil
}
