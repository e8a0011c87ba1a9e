// Package detect finds alerts in raw audit events with compiled DetectionRules.
// It takes values and returns values.
package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

const (
	maxTitle    = 512
	maxEntities = 32
	maxEntity   = 512
)

// environment of every expression of a rule: the variable event, an auditevent.View.
var environment = expr.MustEnv("event")

// Rule is a compiled DetectionRule. It is safe for concurrent use.
type Rule struct {
	name       string
	spec       v1alpha1.DetectionRuleSpec
	when       *expr.Program
	title      *expr.Template
	entities   []mapping
	exceptions []exception
}

type mapping struct {
	v1alpha1.EntityMapping
	value *expr.Program
}

type exception struct {
	when    *expr.Program
	expires time.Time
}

// Compile checks a rule. The error names each field that is wrong.
func Compile(rule *v1alpha1.DetectionRule) (*Rule, error) {
	spec := *rule.Spec.DeepCopy()
	if spec.Format != "" && spec.Format != v1alpha1.FormatKubernetesAudit {
		return nil, fmt.Errorf("spec.format: must be %s, not %q", v1alpha1.FormatKubernetesAudit, spec.Format)
	}
	var errs []error
	note := func(err error, field string, args ...any) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", fmt.Sprintf(field, args...), err))
		}
	}
	compiled := &Rule{name: rule.Name, spec: spec}
	var err error
	compiled.when, err = environment.Condition(spec.When)
	note(err, "spec.when")
	compiled.title, err = environment.Template(spec.Title)
	note(err, "spec.title")
	for i, e := range spec.Entities {
		value, err := environment.Compile(e.Value)
		note(err, "spec.entities[%d].value", i)
		if e.Role == "" {
			e.Role = v1alpha1.RoleRelated
		}
		compiled.entities = append(compiled.entities, mapping{EntityMapping: e, value: value})
	}
	for i, e := range spec.Exceptions {
		when, err := environment.Condition(e.When)
		note(err, "spec.exceptions[%d].when", i)
		compiled.exceptions = append(compiled.exceptions, exception{when: when, expires: e.Expires.Time})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return compiled, nil
}

// match says whether the rule matches an event and no exception that inForce accepts
// leaves it out. An exception that errs leaves nothing out. An event that is too
// large to look at matches: whoever made it so may have something to hide.
func (r *Rule) match(vars map[string]any, inForce func(expires time.Time) bool) (bool, error) {
	matched, err := r.when.True(vars)
	if err != nil {
		return errors.Is(err, expr.ErrTooCostly), fmt.Errorf("spec.when: %w", err)
	}
	if !matched {
		return false, nil
	}
	var failed []error
	for i, e := range r.exceptions {
		if !inForce(e.expires) {
			continue
		}
		excepted, err := e.when.True(vars)
		if err != nil {
			failed = append(failed, fmt.Errorf("spec.exceptions[%d].when: %w", i, err))
			continue
		}
		if excepted {
			return false, nil
		}
	}
	return true, errors.Join(failed...)
}

// alert describes a matching event. What the rule's title or entities fail to say
// is left out and told by the error: a match is never lost for want of words.
func (r *Rule) alert(event auditevent.Event, vars map[string]any) (v1alpha1.AlertSpec, error) {
	var failed []error
	title, err := r.title.Text(vars)
	if err != nil {
		failed = append(failed, fmt.Errorf("spec.title: %w", err))
	}
	if title = oneLine(title); title == "" {
		title = r.name
	}
	var declared []v1alpha1.Entity
	for i, m := range r.entities {
		values, err := m.value.Strings(vars)
		if err != nil {
			failed = append(failed, fmt.Errorf("spec.entities[%d].value: %w", i, err))
		}
		for _, value := range values {
			declared = append(declared, v1alpha1.Entity{Type: m.Type, Role: m.Role, Value: auditevent.Bounded(value, maxEntity)})
		}
	}
	entities := auditevent.Distinct(append(event.Entities(), declared...))
	return v1alpha1.AlertSpec{
		Rule: r.name, Title: auditevent.Bounded(title, maxTitle),
		Severity: r.spec.Severity, Techniques: slices.Clone(r.spec.Techniques),
		Entities: entities[:min(len(entities), maxEntities)], Attributes: event.Attributes(),
		Fingerprint: deed(event, declared), FirstSeen: metav1.NewMicroTime(event.Time),
	}, errors.Join(failed...)
}

// deed is a digest of what was done. Another deed of the same actor on the same object
// is no repeat: else whatever explained the first would explain it as well.
func deed(event auditevent.Event, declared []v1alpha1.Entity) string {
	var keys []string
	for _, e := range declared {
		keys = append(keys, e.Key())
	}
	slices.Sort(keys)
	object := event.Object
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %t %t %q",
		event.Verb, object.APIGroup, object.Path(), object.Namespace, event.DryRun, event.Refused(), slices.Compact(keys)))
	return hex.EncodeToString(sum[:])
}

// oneLine keeps what a client named from breaking or repainting a terminal.
func oneLine(s string) string {
	visible := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(visible), " ")
}
