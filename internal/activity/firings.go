package activity

import (
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Firing is a rule that fires about what an actor does in a namespace.
type Firing struct {
	// Source that reported it, and Rule: those of different senders are different.
	Source, Rule string
	// Actor (a username) and Namespace, as the API server knows them.
	Actor, Namespace string
}

func (f Firing) what() string { return bounded(f.Source + "\x00" + f.Rule + "\x00" + f.Namespace) }

// RecordFiring remembers that a rule fired, each time that it did. It follows the events
// of its message. Of alerts without an actor nothing is remembered: what runs in a pod
// can set off a sensor as often as it likes.
func (m *Memory) RecordFiring(namespace string, spec v1alpha1.AlertSpec) {
	f := Firing{Source: spec.Source, Rule: spec.Rule, Actor: spec.Attributes["user"], Namespace: spec.Attributes["namespace"]}
	if f.Actor == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.restored.covers(m.at) {
		return
	}
	m.tenant(namespace).firings.seen(bounded(f.Actor), f.what(), spec.FirstSeen.Time)
}

// Recurrence tells how often a rule had fired about the same before a moment.
func (m *Memory) Recurrence(namespace string, f Firing, before time.Time) Familiarity {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return Familiarity{}
	}
	return t.firings.about(bounded(f.Actor), f.what(), before)
}
