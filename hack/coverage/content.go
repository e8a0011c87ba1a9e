package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// content is what ships.
type content struct {
	rules     []rule
	playbooks []book
}

// rule is a DetectionRule and the playbooks that look into its alerts.
type rule struct {
	name       string
	optional   bool
	severity   v1alpha1.Severity
	techniques []v1alpha1.Technique
	playbooks  []string
}

// book is a playbook and what it may propose.
type book struct {
	name     string
	actions  []string
	compiled *playbook.Playbook
}

func read(config string, offered operation.Catalog) (content, error) {
	var c content
	err := each(filepath.Join(config, "playbooks"), func(text []byte) error {
		var p v1alpha1.Playbook
		if err := yaml.UnmarshalStrict(text, &p); err != nil {
			return err
		}
		compiled, err := playbook.Compile(p.Name, p.Spec, offered)
		if err != nil {
			return err
		}
		b := book{name: p.Name, compiled: compiled}
		for _, a := range p.Spec.Actions {
			b.actions = append(b.actions, a.Use.Operation)
		}
		b.actions = distinct(b.actions)
		c.playbooks = append(c.playbooks, b)
		return nil
	})
	if err != nil {
		return c, err
	}
	for _, folder := range []string{"detections", "detections/optional"} {
		err := each(filepath.Join(config, folder), func(text []byte) error {
			var r v1alpha1.DetectionRule
			if err := yaml.UnmarshalStrict(text, &r); err != nil {
				return err
			}
			read, err := c.rule(&r)
			read.optional = folder != "detections"
			c.rules = append(c.rules, read)
			return err
		})
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// each reads the files of a folder by name.
func each(folder string, use func(text []byte) error) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := use(text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// rule tries the rule's own examples on the playbooks.
func (c content) rule(r *v1alpha1.DetectionRule) (rule, error) {
	read := rule{name: r.Name, severity: r.Spec.Severity, techniques: r.Spec.Techniques}
	compiled, err := detect.Compile(r)
	if err != nil {
		return read, err
	}
	engine := detect.NewEngine(time.Now, func(string, string, error) {})
	engine.Set("soc", r.Name, compiled)
	for _, test := range r.Spec.Tests {
		var event map[string]any
		if err := json.Unmarshal(test.Event.Raw, &event); err != nil {
			return read, err
		}
		for _, spec := range engine.Detect("soc", event) {
			names, err := c.matching(spec, v1alpha1.FormatKubernetesAudit)
			if err != nil {
				return read, err
			}
			read.playbooks = append(read.playbooks, names...)
		}
	}
	read.playbooks = distinct(read.playbooks)
	return read, nil
}

// matching names the playbooks that look into an alert.
func (c content) matching(spec v1alpha1.AlertSpec, format v1alpha1.AlertFormat) ([]string, error) {
	alert := playbook.NewAlert(&v1alpha1.Alert{Spec: spec}, format)
	var names []string
	for _, b := range c.playbooks {
		matches, err := b.compiled.Matches(alert)
		if err != nil {
			return nil, fmt.Errorf("playbook %s: %w", b.name, err)
		}
		if matches {
			names = append(names, b.name)
		}
	}
	return names, nil
}

// reported names the playbooks for what a sensor of the kernel says of a container.
func (c content) reported(t v1alpha1.Technique) ([]string, error) {
	return c.matching(v1alpha1.AlertSpec{
		Rule: "any", Techniques: []v1alpha1.Technique{t},
		Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleActor, Value: "any/pod"}},
	}, v1alpha1.FormatFalco)
}

func distinct(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
