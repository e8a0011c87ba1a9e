package lint

import (
	"context"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// Policies are the ApprovalPolicies in files, with the results of their tests.
type Policies struct {
	Tests
	// Coverage of each policy that compiles, in the order of files and lines.
	Coverage []Coverage `json:"coverage"`
	// Objects are the policies that compile.
	Objects []v1alpha1.ApprovalPolicy `json:"-"`
}

// Coverage is what of a policy's module its own tests evaluate; lines are those of the file.
type Coverage struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Covered of Lines that can be evaluated.
	Covered int `json:"covered"`
	Lines   int `json:"lines"`
	// Percent of the lines.
	Percent float64       `json:"percent"`
	Rules   []CoveredRule `json:"rules"`
}

// CoveredRule is what of one rule the tests evaluate.
type CoveredRule struct {
	Name       string `json:"name"`
	Line       int    `json:"line"`
	Covered    []int  `json:"covered"`
	NotCovered []int  `json:"notCovered"`
}

// TestPolicies runs the tests inside the ApprovalPolicies, and no others.
func TestPolicies(ctx context.Context, files []File, options Options) Policies {
	l := load(ctx, files, options)
	isPolicy := func(s *subject) bool { return s.kind == "ApprovalPolicy" }
	found := Policies{Tests: l.test(isPolicy), Coverage: []Coverage{}}
	for _, s := range l.subjects {
		if s.policy == nil {
			continue
		}
		found.Objects = append(found.Objects, *s.policy)
		if s.covered != nil {
			found.Coverage = append(found.Coverage, s.coverage(*s.covered))
		}
	}
	return found
}

func (s *subject) coverage(c policy.Coverage) Coverage {
	found := Coverage{
		File: s.file, Line: s.line("metadata.name", 0), Namespace: s.namespace, Name: s.name,
		Covered: c.Covered, Lines: c.Total, Percent: 100, Rules: []CoveredRule{},
	}
	if c.Total > 0 {
		found.Percent = 100 * float64(c.Covered) / float64(c.Total)
	}
	lines := func(rows []int) []int {
		found := make([]int, 0, len(rows))
		for _, row := range rows {
			found = append(found, s.line("spec.module", row))
		}
		return found
	}
	for _, r := range c.Rules {
		found.Rules = append(found.Rules, CoveredRule{
			Name: r.Name, Line: s.line("spec.module", r.Row), Covered: lines(r.Covered), NotCovered: lines(r.NotCovered),
		})
	}
	return found
}
