package correlate

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxMerges is how many merges are followed from one case.
const maxMerges = 16

// Merge says that an older case holds the alerts of a younger one.
func (i *Index) Merge(namespace, younger, older string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.root(namespace, older) == younger { // guessed the other way round before
		i.merged.Remove(caseKey{namespace, older})
	}
	i.merge(namespace, younger, older)
}

// Root is the case that holds the alerts of a case: itself, unless it was merged.
func (i *Index) Root(namespace, name string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.root(namespace, name)
}

func (i *Index) merge(namespace, younger, older string) {
	into := i.root(namespace, older)
	if into == younger {
		return
	}
	i.merged.Add(caseKey{namespace, younger}, older)
	from := i.cases[caseKey{namespace, younger}]
	if from == nil {
		return
	}
	delete(i.cases, caseKey{namespace, younger})
	to := i.caseOf(namespace, into, from.first)
	for key := range from.keys {
		if e, ok := i.entries.Peek(key); ok {
			e.name = into
			to.keys[key] = struct{}{}
		}
	}
}

// root is the case that holds the alerts of a case.
func (i *Index) root(namespace, name string) string {
	for range maxMerges {
		into, ok := i.merged.Get(caseKey{namespace, name})
		if !ok {
			break
		}
		name = into
	}
	return name
}

// unite merges the cases that an alert belongs to into the one whose events began
// first, and returns that and the others.
func (i *Index) unite(namespace, name string, spec v1alpha1.AlertSpec) (oldest string, others []string) {
	names := []string{name}
	for _, other := range i.belongsTo(namespace, spec) {
		if !slices.Contains(names, other) {
			names = append(names, other)
		}
	}
	if len(names) == 1 {
		return name, nil
	}
	began := func(name string) time.Time {
		if c := i.cases[caseKey{namespace, name}]; c != nil {
			return c.first
		}
		return spec.FirstSeen.Time
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Or(began(a).Compare(began(b)), cmp.Compare(a, b)) })
	for _, younger := range names[1:] {
		i.merge(namespace, younger, names[0])
	}
	return names[0], names[1:]
}

// belongsTo are the cases that hold an entity of the alert itself, and those of what
// it stands for. Many may stand for one account, workload or creator: only the
// case that stood for it first belongs to its case, else noise would chain.
func (i *Index) belongsTo(namespace string, spec v1alpha1.AlertSpec) []string {
	window := i.window(namespace)
	within := func(key entityKey, reach time.Duration, since time.Time) string {
		name, age := i.at(key, spec.FirstSeen.Time)
		if !since.IsZero() {
			age = max(age, spec.FirstSeen.Sub(since).Abs())
		}
		if age > reach {
			return ""
		}
		return name
	}
	var found []string
	add := func(name string) {
		if name != "" {
			found = append(found, name)
		}
	}
	for _, key := range i.strong(namespace, spec.Entities) {
		own := within(entityKey{namespace: namespace, key: key}, window, time.Time{})
		add(own)
		for _, l := range i.standsFor(namespace, key) {
			if within(entityKey{namespace: namespace, key: l.to, derived: true}, window/2, l.at) == own {
				add(within(entityKey{namespace: namespace, key: l.to}, window/2, l.at))
			}
		}
		add(within(entityKey{namespace: namespace, key: key, derived: true}, window/2, time.Time{}))
	}
	if pod := i.podBehind(namespace, spec); pod != "" {
		add(within(entityKey{namespace: namespace, key: pod}, window/2, time.Time{}))
	}
	return found
}
