// Package activity remembers who did what: recent events by entity, how often an
// actor did something before, how fast and from where, what workloads run and talk to,
// and which images a namespace uses. It is bounded in every direction, and each event
// costs the same however much is remembered.
package activity

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// Limits bound what is remembered of each namespace.
type Limits struct {
	// Events in all, and PerEntity. Of Entities, and of Owners of pods, those go first
	// that were not touched for longest.
	Events, PerEntity, Entities, Owners int
	// Actors, and the baselines: Deeds (actor; verb, resource, namespace), Tries (the same,
	// refused), Origins (of an actor's requests), Processes and Destinations (of a workload),
	// Images (of a namespace, their registries included), Firings (of a rule, about an actor
	// or a workload) and their Details. What is usual is kept longest.
	Actors, Deeds, Tries, Origins, Processes, Destinations, Images, Firings, Details int
}

// DefaultLimits need some 90 MB for a namespace in which all is full.
var DefaultLimits = Limits{
	Events: 32768, PerEntity: 64, Entities: 16384, Owners: 8192,
	Actors: 8192, Deeds: 65536, Tries: 8192, Origins: 32768,
	Processes: 8192, Destinations: 8192, Images: 8192, Firings: 8192, Details: 32768,
}

// Memory of all namespaces. It is safe for concurrent use. It has no clock: every
// time comes from the events or from who asks, so that reading a stream again
// remembers the same.
type Memory struct {
	limits Limits

	mu      sync.Mutex
	tenants map[string]*tenant
	// at is where in the stream the events come from, restored what the restored snapshot covers.
	at, restored place
}

// New returns an empty memory. Every limit must be positive.
func New(limits Limits) *Memory {
	return &Memory{limits: limits, tenants: map[string]*tenant{}}
}

// Reached tells, before the events of a message, which message of which stream they
// come from. So Restore knows which events are part of the snapshot.
func (m *Memory) Reached(stream string, sequence uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = place{Stream: stream, Sequence: sequence}
}

// Connected tells since when an AlertSource is there: what it did not report was not seen
// before. Without it a source is as old as its first alert.
func (m *Memory) Connected(namespace, source string, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tenant(namespace).connected[source] = since
}

// listensSince is since when alerts of a source would be remembered, at most until a moment.
func (t *tenant) listensSince(source string, at time.Time) time.Time {
	connected, ok := t.connected[source]
	if !ok || t.deeds.since == 0 {
		return at
	}
	return earlier(later(connected, moment(t.deeds.since)), at)
}

// Record remembers a raw audit event that arrived in a namespace. at is when it
// happened. Unanswered requests and dry runs are not remembered.
func (m *Memory) Record(namespace string, raw map[string]any, at time.Time) {
	e := auditevent.Read(raw)
	made := auditevent.ReadMade(raw, e)
	m.mu.Lock()
	defer m.mu.Unlock()
	again := m.next()
	if e.Answered() && !e.DryRun && e.User.Name != "" {
		m.tenant(namespace).record(e, made, at, again)
	}
}

// RecordAlert remembers an alert of a namespace under each of its entities, and what it
// names beside a pod or workload.
func (m *Memory) RecordAlert(namespace string, spec v1alpha1.AlertSpec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := m.next()
	m.tenant(namespace).recordAlert(spec, again)
}

// next counts the events of a message, and says whether the baselines have this one already.
func (m *Memory) next() (again bool) {
	m.at.Events++
	return m.restored.covers(m.at)
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
	limits   Limits
	events   *log
	entities *simplelru.LRU[string, *positions]
	// controllers of pods, by what made them known: see workload.go.
	controllers *simplelru.LRU[string, string]
	// connected is since when each AlertSource is there.
	connected map[string]time.Time

	actors, deeds, tries, origins, processes, destinations, images, firings, details *table
}

func newTenant(l Limits) *tenant {
	baseline := func(limit int) *table { return newTable(limit, limit/shares) }
	return &tenant{
		limits: l, events: newLog(l.Events), connected: map[string]time.Time{},
		entities: newLRU[string, *positions](l.Entities), controllers: newLRU[string, string](l.Owners),
		actors: newTable(l.Actors, l.Actors), deeds: baseline(l.Deeds),
		tries: baseline(l.Tries), origins: baseline(l.Origins),
		processes: baseline(l.Processes), destinations: baseline(l.Destinations), images: baseline(l.Images),
		firings: baseline(l.Firings), details: baseline(l.Details),
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

// record remembers an event. What is there again is in the baselines already, and
// only in what no snapshot holds.
func (t *tenant) record(e auditevent.Event, made auditevent.Made, at time.Time, again bool) {
	who := t.actor(e.Actor())
	if who.actor.isEndOf(e) {
		return
	}
	who.actor.saw(e, at)
	t.learnController(e, made)
	t.keep(entry{Brief: briefOf(e, at)}, e.Entities())
	if again {
		return
	}
	t.actors.saw(who, at)
	who.actor.rate.saw(at, denied(e.Code))
	t.sawOrigin(who.actor, e, at)
	t.deeds.began(at)
	deeds := t.deeds
	if e.Refused() {
		deeds = t.tries
	}
	deeds.seen(bounded(e.Actor()), deedOf(e.Verb, e.Object.Path(), e.Object.Namespace), at)
	if e.Refused() {
		return
	}
	for _, image := range made.Images {
		t.sawImage(e.Object.Namespace, image, at)
	}
}

func (t *tenant) recordAlert(spec v1alpha1.AlertSpec, again bool) {
	firing := firingOf(spec)
	t.keep(entry{Brief: Brief{At: spec.FirstSeen.Time, Rule: spec.Rule}, firing: &firing}, spec.Entities)
	if !again {
		began := t.listensSince(spec.Source, spec.FirstSeen.Time)
		t.processes.began(began)
		t.destinations.began(began)
		t.sawNames(spec.Entities, spec.FirstSeen.Time)
	}
}

// actor has all actors in one table, as if they had one owner.
func (t *tenant) actor(name string) *habit {
	h := t.actors.habit("", bounded(name))
	if h.actor == nil {
		h.actor = &actor{}
	}
	return h
}

func (t *tenant) keep(b entry, entities []v1alpha1.Entity) {
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

// denied requests were refused for who made them.
func denied(code int) bool { return code == 401 || code == 403 }
