// Package lint checks manifests as the API server and the operator would, without
// either: bytes in, findings out. What it finds is what the schemas of the kinds and the
// engines say; it adds where that stands, and what only shows across objects.
package lint

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// File is a file of manifests.
type File struct {
	Name string
	Data []byte
}

// Options say what to check against.
type Options struct {
	// Factories of every type of connector that the operator has built in.
	Factories connectors.Factories
	// Memory makes the connector that every namespace has.
	Memory func(namespace string) connectors.Asker
	// Now tells which exceptions have expired.
	Now time.Time
}

// Finding is a remark about a field of an object in a file.
type Finding struct {
	File      string      `json:"file"`
	Line      int         `json:"line"`
	Level     check.Level `json:"level"`
	Rule      check.Rule  `json:"rule"`
	Kind      string      `json:"kind,omitempty"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name,omitempty"`
	Path      string      `json:"path,omitempty"`
	Message   string      `json:"message"`
}

// Report is everything that was found, in the order of files and lines.
type Report struct {
	Findings []Finding `json:"findings"`
	// Objects of Tocsin's own that were looked at.
	Objects int `json:"objects"`
}

// Count of the findings of a level.
func (r Report) Count(level check.Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Lint checks every object of Tocsin's own in the files.
func Lint(ctx context.Context, files []File, options Options) Report {
	l := load(ctx, files, options)
	for _, s := range l.subjects {
		if s.remarks != nil {
			l.note(s.object, s.remarks()...)
		}
	}
	l.duplicates()
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return Report{Findings: slices.Compact(l.findings), Objects: len(l.subjects)}
}

// linter collects what is found.
type linter struct {
	options  Options
	tools    tools
	subjects []*subject
	findings []Finding
}

// subject is an object, and what can be asked of it if it compiles.
type subject struct {
	*object
	// remarks are about what compiles but cannot be meant; tests runs its own tests. Both may be nil.
	remarks func() []check.Remark
	tests   func() []check.Test
	// policy is set for an ApprovalPolicy that compiles, covered once its tests have run.
	policy  *v1alpha1.ApprovalPolicy
	covered *policy.Coverage
	// broken are the reasons why the API server or the operator refuses it.
	broken []Finding
}

// load reads, validates and compiles everything. Connectors come first, since they say what
// everything else may use.
func load(ctx context.Context, files []File, options Options) *linter {
	l := &linter{options: options, tools: tools{options: options}}
	for _, file := range files {
		objects, findings := read(file)
		l.findings = append(l.findings, findings...)
		for _, o := range objects {
			l.subjects = append(l.subjects, &subject{object: o})
		}
	}
	ordered := slices.Clone(l.subjects)
	slices.SortStableFunc(ordered, func(a, b *subject) int { return cmp.Compare(rank(a.kind), rank(b.kind)) })
	for _, s := range ordered {
		if !l.known(s) {
			continue
		}
		l.fit(ctx, s)
		l.compile(ctx, s)
	}
	return l
}

func rank(kind string) int {
	if kind == "Connector" {
		return 0
	}
	return 1
}

// known says whether there is such a kind.
func (l *linter) known(s *subject) bool {
	if version := s.value["apiVersion"]; version != v1alpha1.GroupVersion.String() {
		l.refuse(s, check.Errorf(check.RuleSchema, "apiVersion", "there is no version %v; expected %s", version, v1alpha1.GroupVersion))
		return false
	}
	if files[s.kind] == "" {
		l.refuse(s, check.Errorf(check.RuleSchema, "kind", "there is no kind %q; there are %v", s.kind, kinds()))
		return false
	}
	return true
}

// fit notes what the API server would refuse.
func (l *linter) fit(ctx context.Context, s *subject) {
	kind, err := schemaOf(s.kind)
	if err != nil {
		l.refuse(s, check.Errorf(check.RuleSchema, "", "the schema of this kind cannot be read: %v", err))
		return
	}
	l.refuse(s, kind.validate(ctx, s.value)...)
}

// compile notes what the operator would refuse, also of what the API server refuses, so
// that whoever mends one sees the other; but not the same again.
func (l *linter) compile(ctx context.Context, s *subject) {
	compile := compilers[s.kind]
	if compile == nil {
		return
	}
	misfits := s.broken
	for _, r := range compile(ctx, l, s) {
		if !slices.ContainsFunc(misfits, func(f Finding) bool { return overlap(f.Path, r.Path) }) {
			l.refuse(s, r)
		}
	}
	if len(s.broken) > 0 {
		s.remarks, s.tests, s.policy = nil, nil, nil
	}
}

// overlap says whether one of two fields is, or is in, the other.
func overlap(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return strings.HasPrefix(b, a) && (len(a) == 0 || len(a) == len(b) || b[len(a)] == '.' || b[len(a)] == '[')
}

// refuse notes remarks for which an object is not in force.
func (l *linter) refuse(s *subject, remarks ...check.Remark) {
	before := len(l.findings)
	l.note(s.object, remarks...)
	for _, f := range l.findings[before:] {
		if f.Level == check.Error {
			s.broken = append(s.broken, f)
		}
	}
}

func (l *linter) note(o *object, remarks ...check.Remark) {
	for _, r := range remarks {
		l.findings = append(l.findings, Finding{
			File: o.file, Line: o.line(r.Path, r.Row), Level: r.Level, Rule: r.Rule,
			Kind: o.kind, Namespace: o.namespace, Name: o.name, Path: r.Path, Message: r.Message,
		})
	}
}
