package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// candidate is a case that an alert is linked to. Left is how long the link would
// still hold: the more, the stronger it is.
type candidate struct {
	name string
	left time.Duration
}

// candidates are the open cases that an alert is linked to, the strongest link first.
// An entity that is in a case itself links over the whole window; what stands
// for it over half of it. Of links that are equally strong that of an actor counts.
func (i *Index) candidates(namespace string, spec v1alpha1.AlertSpec) []candidate {
	var found []candidate
	add := func(key entityKey, reach time.Duration, since time.Time) {
		name, age := i.at(key, spec.FirstSeen.Time)
		if !since.IsZero() {
			age = max(age, spec.FirstSeen.Sub(since).Abs())
		}
		if name != "" && age <= reach {
			found = append(found, candidate{name, reach - age})
		}
	}
	window := i.window(namespace)
	keys := i.strong(namespace, spec.Entities)
	for _, key := range keys {
		add(entityKey{namespace: namespace, key: key}, window, time.Time{})
	}
	for _, key := range keys {
		for _, l := range i.standsFor(namespace, key) {
			add(entityKey{namespace: namespace, key: l.to}, window/2, l.at)
		}
		add(entityKey{namespace: namespace, key: key, derived: true}, window/2, time.Time{})
	}
	if pod := i.podBehind(namespace, spec); pod != "" {
		add(entityKey{namespace: namespace, key: pod}, window/2, time.Time{})
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.left, a.left) })
	return found
}

// find returns the case that an alert has the strongest link to.
func (i *Index) find(namespace string, spec v1alpha1.AlertSpec) string {
	if found := i.candidates(namespace, spec); len(found) > 0 {
		return found[0].name
	}
	return ""
}

// podBehind is the pod from whose address an identity acted whose credential is not
// bound to any pod.
func (i *Index) podBehind(namespace string, spec v1alpha1.AlertSpec) string {
	if actingPod(spec.Entities) != "" || !slices.ContainsFunc(spec.Entities, func(e v1alpha1.Entity) bool {
		identity := e.Type == v1alpha1.EntityServiceAccount || e.Type == v1alpha1.EntityUser
		return identity && e.Role == v1alpha1.RoleActor && !i.isWeak(namespace, e)
	}) {
		return ""
	}
	for _, e := range spec.Entities {
		if e.Type != v1alpha1.EntityIP {
			continue
		}
		if a, ok := i.addresses.Get(linkKey{namespace, e.Value}); ok && !a.shared && spec.FirstSeen.Sub(a.last).Abs() <= i.window(namespace) {
			return a.pod
		}
	}
	return ""
}

func (i *Index) window(namespace string) time.Duration {
	if window, ok := i.windows[namespace]; ok {
		return window
	}
	return DefaultWindow
}

// at returns the case that an entity belongs to, and how far a time of events is from
// those at which it was seen there.
func (i *Index) at(key entityKey, when time.Time) (name string, age time.Duration) {
	e, ok := i.entries.Get(key)
	switch {
	case !ok:
		return "", 0
	case when.Before(e.first):
		return e.name, e.first.Sub(when)
	case when.After(e.last):
		return e.name, when.Sub(e.last)
	}
	return e.name, 0
}

// add makes the alert's entities the case's, and what they stand for. An entity that another
// case holds within the window stays with it.
func (i *Index) add(namespace, name string, spec v1alpha1.AlertSpec) {
	for _, key := range i.strong(namespace, spec.Entities) {
		i.hold(entityKey{namespace: namespace, key: key}, name, spec.FirstSeen.Time)
		if !strings.HasPrefix(key, podPrefix) && !strings.HasPrefix(key, workloadPrefix) {
			continue
		}
		for _, l := range i.standsFor(namespace, key) {
			i.hold(entityKey{namespace: namespace, key: l.to, derived: true}, name, spec.FirstSeen.Time)
		}
	}
	if pod := i.podBehind(namespace, spec); pod != "" {
		i.hold(entityKey{namespace: namespace, key: pod, derived: true}, name, spec.FirstSeen.Time)
	}
}

func (i *Index) hold(key entityKey, name string, when time.Time) {
	if holder, age := i.at(key, when); holder != "" && holder != name && age <= i.window(key.namespace) {
		return
	}
	e, ok := i.entries.Get(key)
	if !ok || e.name != name {
		i.entries.Remove(key)
		e = &entry{name: name, first: when, last: when}
		i.entries.Add(key, e)
		i.caseOf(key.namespace, name, when).keys[key] = struct{}{}
	}
	if when.Before(e.first) {
		e.first = when
	}
	if when.After(e.last) {
		e.last = when
	}
}

func (i *Index) caseOf(namespace, name string, when time.Time) *openCase {
	key := caseKey{namespace, name}
	c := i.cases[key]
	if c == nil {
		c = &openCase{keys: map[entityKey]struct{}{}, first: when}
		i.cases[key] = c
	}
	if when.Before(c.first) {
		c.first = when
	}
	return c
}

// evicted keeps the cases' side in step with the entries.
func (i *Index) evicted(key entityKey, e *entry) {
	owner := caseKey{key.namespace, e.name}
	if c := i.cases[owner]; c != nil {
		delete(c.keys, key)
		if len(c.keys) == 0 {
			delete(i.cases, owner)
		}
	}
}
