package detect

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// index finds the rules that look at an event. It is not changed once made.
type index map[interest][]*Rule

// interest in requests; an empty part means any.
type interest struct{ verb, path string }

func newIndex(rules map[string]*Rule) index {
	ix := index{}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		r := rules[name]
		for _, verb := range orAny(r.spec.Verbs) {
			for _, path := range orAny(r.spec.Resources) {
				key := interest{verb, path}
				ix[key] = append(ix[key], r)
			}
		}
	}
	return ix
}

// find returns the rules that look at an event, by name.
func (ix index) find(e auditevent.Event) []*Rule {
	path := e.Object.Path()
	keys := [...]interest{{e.Verb, path}, {e.Verb, ""}, {"", path}, {"", ""}}
	var found []*Rule
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		found = append(found, ix[key]...)
	}
	slices.SortFunc(found, func(a, b *Rule) int { return cmp.Compare(a.name, b.name) })
	return found
}

func orAny(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

// covers says what the index would find.
func covers(values []string, value string) bool {
	return len(values) == 0 || slices.Contains(values, value)
}
