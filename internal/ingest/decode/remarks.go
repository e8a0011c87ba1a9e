package decode

import (
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

// Remarks says what a spec compiles with but cannot be meant: events that never are
// alerts, and severities that do not exist.
func Remarks(spec *v1alpha1.AlertSourceSpec) []check.Remark {
	if spec.Format != v1alpha1.FormatGeneric || spec.Mapping == nil {
		return nil
	}
	m, err := newMapping(spec.Mapping)
	if err != nil {
		return nil
	}
	var found []check.Remark
	if m.when != nil {
		found = check.Condition("spec.mapping.when", m.when, nil)
	}
	if m.severity != nil {
		found = append(found, severityRemarks(m.severity)...)
	}
	return found
}

func severityRemarks(severity *expr.Program) []check.Remark {
	value, constant := severity.Constant()
	name, isText := value.(string)
	if !constant {
		return nil
	}
	same := func(s v1alpha1.Severity) bool { return strings.EqualFold(string(s), name) }
	if isText && (name == "" || slices.ContainsFunc(v1alpha1.Severities, same)) {
		return nil
	}
	return []check.Remark{check.Errorf(check.RuleUnknownName, "spec.mapping.severity", "is always %v; expected one of %v", value, v1alpha1.Severities)}
}
