package story

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
)

const (
	// maxSteps of an attack path are drawn: beyond, nobody reads a picture.
	maxSteps = 48
	// The columns beside those of the tactics.
	columnActors = "Who acted"
	columnOther  = "No known tactic"
)

// graph is an attack path laid out: time runs down in rows, a step a row, and tactics
// run to the right in columns.
type graph struct {
	columns []string
	rows    []row
	// left out are steps that there is no room for.
	left int
}

// row is a step, or, without one, an actor that needs a row of its own.
type row struct {
	step *v1alpha1.PathEdge
	// number of the step in the case's path, from 1.
	number int
	// target is where the step leads, actor whom it begins with if it is met here first.
	target, actor *box
	// source is the box, of this row or another, that a line comes from; nil where
	// something merely happened to the target.
	source *box
}

// box is an entity at a place.
type box struct {
	entity      string // type:value
	column, row int
	// again: the entity was met before, in another box.
	again bool
	// hue tells apart the lines that begin in this box.
	hue int
}

// layOut places the steps of a path that are worth drawing.
func layOut(path []v1alpha1.PathEdge) graph {
	g := graph{columns: columns(path)}
	met := map[string]*box{}
	sources := 0
	for _, number := range worthDrawing(path) {
		step := &path[number-1]
		r := row{step: step, number: number}
		column := slices.Index(g.columns, columnOf(step, path))
		place := func(entity string, column int) *box {
			b := &box{entity: entity, column: column, row: len(g.rows), again: met[entity] != nil, hue: -1}
			if !b.again {
				met[entity] = b
			}
			return b
		}
		if step.From != step.To && met[step.From] == nil {
			r.actor = place(step.From, 0)
			if column == 0 {
				g.rows = append(g.rows, row{actor: r.actor})
				r.actor = nil
			}
		}
		r.source = met[step.From]
		r.target = place(step.To, column)
		if r.source != nil && r.source.hue < 0 {
			r.source.hue = sources
			sources++
		}
		g.rows = append(g.rows, r)
	}
	g.left = len(path) - min(len(path), maxSteps)
	return g
}

// worthDrawing are the numbers of the steps that are drawn: those with evidence
// first, since a flood of other steps must not crowd them out.
func worthDrawing(path []v1alpha1.PathEdge) []int {
	numbers := make([]int, len(path))
	for i := range numbers {
		numbers[i] = i + 1
	}
	slices.SortStableFunc(numbers, func(a, b int) int {
		return cmp.Compare(min(len(path[b-1].Evidence), 1), min(len(path[a-1].Evidence), 1))
	})
	numbers = numbers[:min(len(numbers), maxSteps)]
	slices.Sort(numbers)
	return numbers
}

// columns that a path needs: whoever acts first, the tactics in the order of an
// attack, and what has none.
func columns(path []v1alpha1.PathEdge) []string {
	used := map[string]bool{columnActors: true}
	for i := range path {
		used[columnOf(&path[i], path)] = true
	}
	all := slices.Concat([]string{columnActors}, analyst.Tactics(), []string{columnOther})
	return slices.DeleteFunc(all, func(name string) bool { return !used[name] })
}

// columnOf a step is its tactic. One without a tactic that leads to somebody who acts,
// such as from a pod to its ServiceAccount, stays with those who act.
func columnOf(step *v1alpha1.PathEdge, path []v1alpha1.PathEdge) string {
	if slices.Contains(analyst.Tactics(), step.Tactic) {
		return step.Tactic
	}
	acts := func(e v1alpha1.PathEdge) bool { return e.From == step.To && e.To != step.To }
	if step.From != step.To && slices.ContainsFunc(path, acts) {
		return columnActors
	}
	return columnOther
}

// entity parts a key into what it is and its name, safe to show. Objects and workloads
// are of a kind of their own, of which the API group is left out.
func entity(key string) (kind, name string) {
	kind, name, _ = strings.Cut(key, ":")
	switch v1alpha1.EntityType(kind) {
	case v1alpha1.EntityKubernetesObject, v1alpha1.EntityWorkload:
		if own, rest, found := strings.Cut(name, "/"); found {
			kind, _, _ = strings.Cut(own, ".")
			name = rest
		}
	}
	switch namespace, all := strings.CutSuffix(name, "/*"); {
	case all && namespace == "*":
		name = "all, in all namespaces"
	case all:
		name = "all, in namespace " + namespace
	}
	return Plain(kind), cmp.Or(Plain(name), "(no name)")
}

// marksOf a step: its number, when, how often and by which evidence.
func (s Style) marksOf(r row, format string) string {
	parts := []string{strconv.Itoa(r.number)}
	if !r.step.Time.IsZero() {
		parts = append(parts, r.step.Time.In(s.Zone).Format(format))
	}
	if n := len(r.step.Repeats); n > 0 {
		parts = append(parts, strconv.Itoa(n+1)+" alerts")
	}
	if len(r.step.Evidence) > 0 {
		parts = append(parts, short(strings.Join(r.step.Evidence, " "), 18))
	}
	return strings.Join(parts, " · ")
}

// days says when a path happened: the format of its times, and what it leaves unsaid.
func (s Style) days(path []v1alpha1.PathEdge) (format, day string) {
	if len(path) == 0 {
		return clockFormat, ""
	}
	first, last := path[0].Time.In(s.Zone), path[len(path)-1].Time.In(s.Zone)
	if first.Format(dayFormat) != last.Format(dayFormat) {
		return dayFormat + " " + clockFormat, first.Format("MST")
	}
	return clockFormat, first.Format(dayFormat + " MST")
}
