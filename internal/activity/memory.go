// Package activity remembers who did what: recent events by entity, how often an
// actor did something before and from where. It is memory only, bounded in every
// direction, and each event costs the same however much is remembered.
package activity

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// Limits bound what is remembered of each namespace. What was not touched for longest is forgotten first.
type Limits struct {
	// Events in all, and PerEntity.
	Events, PerEntity int
	// Entities, Actors and Baselines (actor, verb, resource, namespace).
	Entities, Actors, Baselines int
}

// DefaultLimits need some 40 MB for a busy namespace.
var DefaultLimits = Limits{Events: 32768, PerEntity: 64, Entities: 16384, Actors: 8192, Baselines: 65536}

// Memory of all namespaces. It is safe for concurrent use. It has no clock: every
// time comes from the events or from who asks, so that reading a stream again
// remembers the same.
type Memory struct {
	limits Limits

	mu      sync.Mutex
	tenants map[string]*tenant
}

// New returns an empty memory. Every limit must be positive.
func New(limits Limits) *Memory {
	return &Memory{limits: limits, tenants: map[string]*tenant{}}
}

// Record remembers a raw audit event that arrived in a namespace. at is when it
// happened. Unanswered requests and dry runs are not remembered.
func (m *Memory) Record(namespace string, raw map[string]any, at time.Time) {
	e := auditevent.Read(raw)
	if !e.Answered() || e.DryRun || e.User.Name == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tenant(namespace).record(e, at)
}

// RecordAlert remembers an alert of a namespace under each of its entities.
func (m *Memory) RecordAlert(namespace string, spec v1alpha1.AlertSpec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tenant(namespace).recordAlert(spec)
}

// tenant is made on first use.
func (m *Memory) tenant(namespace string) *tenant {
	t, ok := m.tenants[namespace]
	if !ok {
		t = newTenant(m.limits)
		m.tenants[namespace] = t
	}
	return t
}

// tenant is what is remembered of one namespace.
type tenant struct {
	limits    Limits
	events    *log
	entities  *simplelru.LRU[string, *positions]
	actors    *simplelru.LRU[string, *actor]
	baselines *simplelru.LRU[deed, *history]
	since     time.Time
}

func newTenant(l Limits) *tenant {
	return &tenant{
		limits: l, events: newLog(l.Events),
		entities: newLRU[string, *positions](l.Entities), actors: newLRU[string, *actor](l.Actors),
		baselines: newLRU[deed, *history](l.Baselines),
	}
}

// newLRU fails only for a size that is not positive, which is a mistake in the program.
func newLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err)
	}
	return l
}

func (t *tenant) record(e auditevent.Event, at time.Time) {
	if t.since.IsZero() || at.Before(t.since) {
		t.since = at
	}
	who := remembered(t.actors, e.Actor(), newActor)
	if who.isEndOf(e) {
		return
	}
	who.saw(e, at)
	if !e.Refused() {
		remembered(t.baselines, deedOf(e), newHistory).saw(at)
	}
	t.keep(briefOf(e, at), e.Entities())
}

func (t *tenant) recordAlert(spec v1alpha1.AlertSpec) {
	t.keep(Brief{At: spec.FirstSeen.Time, Rule: spec.Rule}, spec.Entities)
}

func (t *tenant) keep(b Brief, entities []v1alpha1.Entity) {
	position := t.events.add(b)
	for _, e := range entities {
		remembered(t.entities, e.Key(), newPositions).add(position, t.limits.PerEntity)
	}
}

func remembered[K comparable, V any](l *simplelru.LRU[K, V], key K, make func() V) V {
	if v, ok := l.Get(key); ok {
		return v
	}
	v := make()
	l.Add(key, v)
	return v
}
