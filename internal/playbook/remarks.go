package playbook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

// What conditions can be compared with.
var domains = expr.Domains{
	"alert.severity": texts(v1alpha1.Severities),
	"verdict":        texts([]v1alpha1.Verdict{v1alpha1.TruePositive, v1alpha1.BenignPositive, v1alpha1.FalsePositive, v1alpha1.Undetermined}),
}

// The fields of Alert and of Case.
var (
	alertFields = []string{
		"name", "rule", "title", "severity", "source", "techniques", "count", "firstSeen", "attributes",
		"entities", "actors", "targets", "all", "actor", "verb", "resource", "namespace", "who", "deed", "about",
	}
	caseFields = []string{"alerts", "rules", "techniques", "tactics", "actors"}
)

func texts[T ~string](values []T) []string {
	list := make([]string, 0, len(values))
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

// Remarks says what the playbook compiles with but cannot be meant: conditions that
// never or always hold, weights that count for less than they say, fields without effect.
func (p *Playbook) Remarks() []check.Remark {
	var found []check.Remark
	if p.match.Source() != "true" { // written out it is meant
		found = check.Condition("spec.match", p.match, domains)
	}
	found = append(found, unknownNames("spec.match", p.match)...)
	found = append(found, p.variables.remarks(p.used())...)
	if len(p.questions)+len(p.actions) == 0 {
		found = append(found, check.Warningf(check.RuleNoEffect, "spec", "neither asks nor proposes anything"))
	}
	for i, q := range p.questions {
		found = append(found, q.remarks(fmt.Sprintf("spec.questions[%d]", i))...)
	}
	for i, a := range p.actions {
		found = append(found, a.remarks(fmt.Sprintf("spec.actions[%d]", i))...)
	}
	return found
}

func (q *question) remarks(path string) []check.Remark {
	found := unknownNames(path+".use.with", q.with.programs...)
	if q.when != nil {
		found = append(found, check.Condition(path+".when", q.when, domains)...)
		found = append(found, unknownNames(path+".when", q.when)...)
	}
	for i, w := range q.weigh {
		at := fmt.Sprintf("%s.weigh[%d]", path, i)
		found = append(found, w.remarks(at)...)
		if j := slices.IndexFunc(q.weigh[:i], w.repeats); j >= 0 {
			found = append(found, check.Warningf(check.RuleWeight, at, "has the condition and the group of weigh[%d]: only the stronger of the two ever counts", j))
		}
	}
	return found
}

func (w *weight) repeats(other *weight) bool {
	return w.spec.Group != "" && w.spec.Group == other.spec.Group && w.spec.If == other.spec.If
}

func (w *weight) remarks(path string) []check.Remark {
	found := check.Condition(path+".if", w.condition, domains)
	found = append(found, unknownNames(path+".if", w.condition)...)
	found = append(found, unknownNames(path+".because", w.because.Programs()...)...)
	claimed := w.spec.Decibans
	switch {
	case claimed == 0:
		found = append(found, check.Warningf(check.RuleWeight, path+".decibans", "weighs nothing, either way"))
	case claimed < 0 && len(w.untrusted) > 0:
		found = append(found, check.Warningf(check.RuleWeight, path+".decibans",
			"counts for nothing: what lowers suspicion must rest on nothing that an attacker may have written, and the condition reads %s", strings.Join(w.untrusted, ", ")))
	case max(claimed, -claimed) > analyst.MaxDecibans:
		found = append(found, check.Warningf(check.RuleWeight, path+".decibans", "counts as %d: one finding counts at most %d either way",
			min(max(claimed, -analyst.MaxDecibans), analyst.MaxDecibans), analyst.MaxDecibans))
	}
	if w.spec.Suggests != "" && claimed >= 0 {
		found = append(found, check.Warningf(check.RuleNoEffect, path+".suggests", "is for findings that lower suspicion: with %d decibans it suggests nothing", claimed))
	}
	return found
}

func (a *action) remarks(path string) []check.Remark {
	found := check.Condition(path+".when", a.when, domains)
	found = append(found, unknownNames(path+".when", a.when)...)
	found = append(found, unknownNames(path+".use.with", a.with.programs...)...)
	if a.spec.UndoAfter != nil && a.operation.Undo == v1alpha1.UndoIrreversible {
		found = append(found, check.Warningf(check.RuleNoEffect, path+".undoAfter", "%s cannot be undone", a.operation.Name))
	}
	return found
}

// unknownNames are fields that no alert and no case has. To read one is no error at
// run time: the condition is about something that the alert does not have.
func unknownNames(path string, programs ...*expr.Program) []check.Remark {
	var found []check.Remark
	for _, program := range programs {
		for _, read := range program.Reads("alert") {
			if unknown, known := unknownField(read); unknown != "" {
				found = append(found, check.Errorf(check.RuleUnknownName, path, "no alert has alert.%s; there are %v", unknown, known))
			}
		}
		for _, read := range program.Reads("case") {
			if first, _, _ := strings.Cut(read, "."); first != "" && !slices.Contains(caseFields, first) {
				found = append(found, check.Errorf(check.RuleUnknownName, path, "no case has case.%s; there are %v", first, caseFields))
			}
		}
	}
	return found
}

func unknownField(read string) (unknown string, known []string) {
	first, below, _ := strings.Cut(read, ".")
	if first == "" {
		return "", nil
	}
	if !slices.Contains(alertFields, first) {
		return first, alertFields
	}
	second, _, _ := strings.Cut(below, ".")
	if second == "" || !slices.Contains([]string{"entities", "actors", "targets"}, first) || entityType(second) != "" {
		return "", nil
	}
	return first + "." + second, fields()
}
