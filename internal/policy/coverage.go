package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage is what of a policy's module its own tests evaluate.
type Coverage struct {
	// Covered and Total are rows of the module that can be evaluated.
	Covered, Total int
	// Rules of the module, in its order.
	Rules []RuleCoverage
}

// RuleCoverage is what of one rule the tests evaluate.
type RuleCoverage struct {
	Name string
	// Row at which the rule begins in the module, from 1.
	Row int
	// Covered and NotCovered are rows of the module.
	Covered, NotCovered []int
}

// coverage sorts what was covered by rule.
func (c *Checked) coverage(covered *cover.Cover) Coverage {
	// Rules and expressions as the compiler leaves them, since those are evaluated.
	module := c.compiler.Modules["spec.module"]
	report := covered.Report(map[string]*ast.Module{"spec.module": module}).Files["spec.module"]
	found := Coverage{}
	for i, rule := range c.module.Rules {
		until := 0
		if i+1 < len(c.module.Rules) {
			until = c.module.Rules[i+1].Location.Row
		}
		r := RuleCoverage{Name: ruleName(rule), Row: rule.Location.Row}
		r.NotCovered = rowsOf(report.NotCovered, r.Row, until)
		r.Covered = slices.DeleteFunc(rowsOf(report.Covered, r.Row, until), func(row int) bool { return slices.Contains(r.NotCovered, row) })
		found.Covered += len(r.Covered)
		found.Total += len(r.Covered) + len(r.NotCovered)
		found.Rules = append(found.Rules, r)
	}
	return found
}

// rowsOf are the rows of ranges that are at or after one row and before another; 0 bounds nothing.
func rowsOf(ranges []cover.Range, from, until int) []int {
	var rows []int
	for _, r := range ranges {
		for row := r.Start.Row; row <= r.End.Row; row++ {
			if row >= from && (until == 0 || row < until) {
				rows = append(rows, row)
			}
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}
