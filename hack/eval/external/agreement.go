// Package external scores the detections that ship on labelled events of other
// products: does what ships say of an event what the other product's rule says of it?
package external

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/detect"
)

// Case is a labelled event.
type Case struct {
	// Name tells it apart from the others of its set; Test is what the set calls it.
	Name, Test string
	// Events as the API server sent them. They are one case: one of them is enough to fire.
	Events []map[string]any
	// Rules of the other product that the case is about. None: nothing may fire at all.
	Rules []string
	// Fires says whether the rules fire; else they must be quiet.
	Fires bool
	// Settings of the other product that hold for the case.
	Settings []string
}

// Mapping says which of the shipped rules correspond to another product's.
type Mapping struct {
	Rules    map[string]Equivalent `json:"rules"`
	Settings map[string]Setting    `json:"settings"`
}

// Equivalent of a rule: shipped rules of which one must fire, or why there is none.
type Equivalent struct {
	Shipped []string `json:"shipped"`
	// Differs on purpose, and why.
	Differs string `json:"differs"`
	// Cases that differ on purpose, by the name of their test, and why.
	Cases map[string]string `json:"cases"`
}

// Setting is what a tenant would set to the same effect.
type Setting struct {
	// Without are shipped rules that are not installed.
	Without []string `json:"without"`
	// Exceptions are conditions of exceptions by shipped rule.
	Exceptions map[string]string `json:"exceptions"`
}

// Outcome is what came of a case.
type Outcome struct {
	Case string `json:"case"`
	// Want are rules of which one must fire, Unwanted those that must be quiet. Where both are empty, nothing may fire.
	Want     []string `json:"want,omitempty"`
	Unwanted []string `json:"unwanted,omitempty"`
	Got      []string `json:"got,omitempty"`
	// Why it differs on purpose; empty for a disagreement.
	Why string `json:"why,omitempty"`
}

// Report is the score of a set.
type Report struct {
	// Cases that have an equivalent, and on how many of them both agree.
	Cases int `json:"cases"`
	Agree int `json:"agree"`
	// OnPurpose are cases that differ, or have no equivalent, on purpose.
	OnPurpose []Outcome `json:"onPurpose,omitempty"`
	Disagree  []Outcome `json:"disagree,omitempty"`
}

// Agreement runs rules on cases. An error is about the mapping or the rules, not about an event.
func Agreement(cases []Case, mapping Mapping, rules []v1alpha1.DetectionRule) (Report, error) {
	if err := mapping.check(rules); err != nil {
		return Report{}, err
	}
	var report Report
	engines := map[string]*detect.Engine{}
	for _, c := range cases {
		key := strings.Join(c.Settings, "\n")
		engine := engines[key]
		if engine == nil {
			made, err := mapping.engine(c.Settings, rules)
			if err != nil {
				return Report{}, fmt.Errorf("%s: %w", c.Name, err)
			}
			engine, engines[key] = made, made
		}
		o, agrees, err := mapping.judge(c, fired(engine, c.Events))
		if err != nil {
			return Report{}, fmt.Errorf("%s: %w", c.Name, err)
		}
		switch {
		case o.Why != "":
			report.OnPurpose = append(report.OnPurpose, o)
			continue
		case agrees:
			report.Agree++
		default:
			report.Disagree = append(report.Disagree, o)
		}
		report.Cases++
	}
	return report, nil
}

// judge compares what fired with what a case says.
func (m Mapping) judge(c Case, got []string) (Outcome, bool, error) {
	o := Outcome{Case: c.Name, Got: got}
	var equivalents []string
	for _, name := range c.Rules {
		e, ok := m.Rules[name]
		if !ok {
			return o, false, fmt.Errorf("rules: no entry for %q", name)
		}
		if o.Why = e.Differs; o.Why == "" {
			o.Why = e.Cases[c.Test]
		}
		equivalents = append(equivalents, e.Shipped...)
	}
	overlaps := slices.ContainsFunc(equivalents, func(rule string) bool { return slices.Contains(got, rule) })
	switch {
	case c.Fires:
		o.Want = equivalents
		return o, overlaps, nil
	case len(c.Rules) == 0:
		return o, len(got) == 0, nil
	}
	o.Unwanted = equivalents
	return o, !overlaps, nil
}

// check finds names of rules that are not there.
func (m Mapping) check(rules []v1alpha1.DetectionRule) error {
	known := map[string]bool{}
	for _, r := range rules {
		known[r.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(m.Rules)) {
		e := m.Rules[name]
		if (len(e.Shipped) == 0) == (e.Differs == "") {
			return fmt.Errorf("rules.%s: expected either shipped or differs", name)
		}
		for _, shipped := range e.Shipped {
			if !known[shipped] {
				return fmt.Errorf("rules.%s.shipped: there is no rule %q", name, shipped)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		s := m.Settings[name]
		for _, shipped := range append(slices.Sorted(maps.Keys(s.Exceptions)), s.Without...) {
			if !known[shipped] {
				return fmt.Errorf("settings.%s: there is no rule %q", name, shipped)
			}
		}
	}
	return nil
}

const tenant = "eval"

// engine holds the rules as a tenant with these settings would have them.
func (m Mapping) engine(settings []string, rules []v1alpha1.DetectionRule) (*detect.Engine, error) {
	engine := detect.NewEngine(func() time.Time { return time.Unix(0, 0) }, func(string, string, error) {})
	for i := range rules {
		r := rules[i].DeepCopy()
		installed := true
		for _, name := range settings {
			s := m.Settings[name]
			installed = installed && !slices.Contains(s.Without, r.Name)
			if when := s.Exceptions[r.Name]; when != "" {
				r.Spec.Exceptions = append(r.Spec.Exceptions, v1alpha1.DetectionException{When: when, Reason: name, Expires: metav1.Unix(1, 0)})
			}
		}
		if !installed {
			continue
		}
		compiled, err := detect.Compile(r)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		engine.Set(tenant, r.Name, compiled)
	}
	return engine, nil
}

func fired(engine *detect.Engine, events []map[string]any) []string {
	var rules []string
	for _, event := range events {
		for _, alert := range engine.Detect(tenant, event) {
			rules = append(rules, alert.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}
