package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// Count implements Decoder.
func (m *mapping) Count(raw []byte) int {
	if m.items == nil {
		return 1
	}
	var body any
	if plain(raw, &body) != nil {
		return 1 // Decode tells.
	}
	items, _ := m.list(body)
	return max(1, len(items))
}

// Decode maps each event by itself: one that fails does not keep the others back.
func (m *mapping) Decode(raw []byte, received time.Time) Batch {
	var body any
	if err := plain(raw, &body); err != nil {
		return whole(raw, err)
	}
	items, err := m.list(body)
	if err != nil {
		return Batch{Failures: []Failure{{Body: raw, Class: ClassMapping, Err: err}}}
	}
	var batch Batch
	for _, item := range items {
		itemRaw := raw
		if m.items != nil {
			itemRaw = jsonOf(item)
		}
		vars := map[string]any{"body": body, "event": item}
		spec, match, err := m.alert(vars, received)
		if err != nil {
			batch.Failures = append(batch.Failures, Failure{Body: itemRaw, Class: ClassMapping, Err: err})
			continue
		}
		if match {
			batch.add(spec, itemRaw)
		}
	}
	return batch
}

func (m *mapping) alert(vars map[string]any, received time.Time) (spec v1alpha1.AlertSpec, match bool, err error) {
	if m.when != nil {
		if match, err = m.when.True(vars); err != nil || !match {
			return spec, false, in("when", err)
		}
	}
	steps := []struct {
		field string
		run   func(map[string]any, *v1alpha1.AlertSpec) error
	}{
		{"rule", m.mapRule}, {"title", m.mapTitle}, {"severity", m.mapSeverity},
		{"techniques", m.mapTechniques}, {"time", m.mapTime},
	}
	for _, step := range steps {
		if err := step.run(vars, &spec); err != nil {
			return spec, false, in(step.field, err)
		}
	}
	if err := m.mapEntities(vars, &spec); err != nil {
		return spec, false, err
	}
	if err := m.mapAttributes(vars, &spec); err != nil {
		return spec, false, err
	}
	Bound(&spec, received)
	return spec, true, nil
}

func in(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("spec.mapping.%s: %w", field, err)
}

func (m *mapping) mapRule(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	values, err := m.rule.Strings(vars)
	if err != nil {
		return err
	}
	if len(values) != 1 || line(values[0], maxRule) == "" {
		return errors.New("must yield one non-empty string")
	}
	spec.Rule = values[0]
	return nil
}

func (m *mapping) mapTitle(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	if m.title == nil {
		return nil
	}
	values, err := m.title.Strings(vars)
	spec.Title = strings.Join(values, " ")
	return err
}

func (m *mapping) mapSeverity(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	if m.severity == nil {
		return nil
	}
	values, err := m.severity.Strings(vars)
	if err != nil || len(values) == 0 {
		return err
	}
	i := slices.IndexFunc(v1alpha1.Severities, func(s v1alpha1.Severity) bool { return strings.EqualFold(string(s), values[0]) })
	if i < 0 || len(values) > 1 {
		return fmt.Errorf("%s: expected one of %v", shorten.Characters(fmt.Sprintf("%q", values), maxName), v1alpha1.Severities)
	}
	spec.Severity = v1alpha1.Severities[i]
	return nil
}

func (m *mapping) mapTechniques(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	if m.techniques == nil {
		return nil
	}
	values, err := m.techniques.Strings(vars)
	if err != nil {
		return err
	}
	for _, v := range values {
		if !technique.MatchString(v) {
			return fmt.Errorf("%q: expected an ATT&CK id such as T1552.007", shorten.Characters(v, maxName))
		}
		spec.Techniques = append(spec.Techniques, v1alpha1.Technique(v))
	}
	return nil
}

func (m *mapping) mapTime(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	if m.time == nil {
		return nil
	}
	values, err := m.time.Strings(vars)
	if err != nil || len(values) == 0 {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, values[0])
	if err != nil {
		return fmt.Errorf("%q: expected a timestamp or RFC 3339 text such as 2026-01-31T09:02:11Z", shorten.Characters(values[0], maxName))
	}
	spec.FirstSeen = metav1.NewMicroTime(at)
	return nil
}

func (m *mapping) mapEntities(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	for i, e := range m.entities {
		values, err := e.value.Strings(vars)
		if err != nil {
			return in(fmt.Sprintf("entities[%d].value", i), err)
		}
		for _, v := range values {
			spec.Entities = append(spec.Entities, v1alpha1.Entity{Type: e.kind, Role: e.role, Value: v})
		}
	}
	return nil
}

// mapAttributes keeps strings as they are and everything else as JSON.
func (m *mapping) mapAttributes(vars map[string]any, spec *v1alpha1.AlertSpec) error {
	spec.Attributes = make(map[string]string, len(m.attributes))
	for name, program := range m.attributes {
		v, err := program.Value(vars)
		if err != nil {
			return in(fmt.Sprintf("attributes[%q]", name), err)
		}
		switch t := v.(type) {
		case nil:
		case string:
			spec.Attributes[name] = t
		default:
			spec.Attributes[name] = string(jsonOf(t))
		}
	}
	return nil
}
