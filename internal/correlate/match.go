package correlate

import (
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var (
	podPrefix     = v1alpha1.Entity{Type: v1alpha1.EntityPod}.Key()
	accountPrefix = v1alpha1.Entity{Type: v1alpha1.EntityServiceAccount}.Key()
)

// find returns the case of the first strong entity that has one: actors before
// targets, an entity itself before what stands for it.
func (i *Index) find(namespace string, spec v1alpha1.AlertSpec) string {
	keys := strong(spec.Entities)
	for _, key := range keys {
		if name := i.at(entityKey{namespace: namespace, key: key}, spec.FirstSeen.Time); name != "" {
			return name
		}
	}
	for _, key := range keys {
		if name := i.at(i.standsFor(namespace, key), spec.FirstSeen.Time); name != "" {
			return name
		}
	}
	return ""
}

// standsFor is where the other side of a pod and its ServiceAccount is looked up:
// for a pod the account if it acted itself, for an account the pods that run under it.
func (i *Index) standsFor(namespace, key string) entityKey {
	if pod, ok := strings.CutPrefix(key, podPrefix); ok {
		if account := i.accountOf(pod); account != "" {
			return entityKey{namespace: namespace, key: accountPrefix + account}
		}
	}
	if strings.HasPrefix(key, accountPrefix) {
		return entityKey{namespace: namespace, key: key, derived: true}
	}
	return entityKey{}
}

// accountOf a pod, unless it is one of the system's.
func (i *Index) accountOf(pod string) string {
	account, ok := i.accounts.Get(pod)
	if !ok || isSystem(v1alpha1.Entity{Type: v1alpha1.EntityServiceAccount, Value: account}) {
		return ""
	}
	return account
}

// at returns the case that an entity belongs to at a time of events.
func (i *Index) at(key entityKey, when time.Time) string {
	e, ok := i.entries.Get(key)
	if !ok {
		return ""
	}
	window, ok := i.windows[key.namespace]
	if !ok {
		window = DefaultWindow
	}
	if when.Before(e.first.Add(-window)) || when.After(e.last.Add(window)) {
		return ""
	}
	return e.name
}

// add makes the alert's entities the case's. An entity that another case holds
// within the window stays with it.
func (i *Index) add(namespace, name, alert string, spec v1alpha1.AlertSpec) {
	i.alerts.Add(caseKey{namespace, alert}, name)
	for _, key := range strong(spec.Entities) {
		i.hold(entityKey{namespace: namespace, key: key}, name, spec.FirstSeen.Time)
		if pod, ok := strings.CutPrefix(key, podPrefix); ok {
			if account := i.accountOf(pod); account != "" {
				i.hold(entityKey{namespace: namespace, key: accountPrefix + account, derived: true}, name, spec.FirstSeen.Time)
			}
		}
	}
}

func (i *Index) hold(key entityKey, name string, when time.Time) {
	if holder := i.at(key, when); holder != "" && holder != name {
		return
	}
	e, ok := i.entries.Get(key)
	if !ok || e.name != name {
		i.entries.Remove(key)
		e = &entry{name: name, first: when, last: when}
		i.entries.Add(key, e)
		i.caseOf(key.namespace, name).keys[key] = struct{}{}
	}
	if when.Before(e.first) {
		e.first = when
	}
	if when.After(e.last) {
		e.last = when
	}
}

func (i *Index) caseOf(namespace, name string) *openCase {
	key := caseKey{namespace, name}
	if i.cases[key] == nil {
		i.cases[key] = &openCase{keys: map[entityKey]struct{}{}}
	}
	return i.cases[key]
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
