package activity

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// place in a stream: a message, and how many of its events.
type place struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Events   int    `json:"events"`
}

// covers says whether what is at the other place came before, or is the same.
func (p place) covers(other place) bool {
	return p.Stream == other.Stream && (other.Sequence < p.Sequence || other.Sequence == p.Sequence && other.Events <= p.Events)
}

// state is a copy of the baselines of all namespaces.
type state struct {
	covers place
	tables []tableState
}

type tableState struct {
	namespace, name string
	since           int64
	lost            lost
	// owners that lost something.
	owners map[string]lost
	habits []kept
}

// kept is what is kept of a habit.
type kept struct {
	key
	history
	// actor without what the stream is read again for.
	actor *actor
}

// tables by the names that snapshots have for them.
func (t *tenant) tables() map[string]*table {
	return map[string]*table{
		"actors": t.actors, "deeds": t.deeds, "tries": t.tries, "origins": t.origins,
		"processes": t.processes, "destinations": t.destinations, "images": t.images, "firings": t.firings, "details": t.details,
	}
}

// state copies the baselines. Events wait for it, so nothing else is done here.
func (m *Memory) state() state {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := state{covers: m.at}
	if m.at.Stream == "" || m.restored.covers(m.at) {
		s.covers = m.restored
	}
	for namespace, tenant := range m.tenants {
		for name, t := range tenant.tables() {
			if t.since != 0 {
				s.tables = append(s.tables, t.state(namespace, name))
			}
		}
	}
	return s
}

func (t *table) state(namespace, name string) tableState {
	s := tableState{namespace: namespace, name: name, since: t.since, lost: t.lost, owners: map[string]lost{}, habits: make([]kept, 0, len(t.all))}
	for _, level := range t.levels {
		for h := level.first; h != nil; h = h.links[inTable].next {
			if h.first != 0 {
				s.habits = append(s.habits, kept{key: h.key, history: h.history, actor: h.actor.kept()})
			}
		}
	}
	for name, o := range t.owners {
		if o.lost != (lost{}) {
			s.owners[name] = o.lost
		}
	}
	return s
}

func (a *actor) kept() *actor {
	if a == nil {
		return nil
	}
	return &actor{rate: a.rate}
}

// restore puts a state into an empty memory.
func (m *Memory) restore(s state) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.tenants) > 0 {
		return errors.New("memory is not empty: it is restored before anything is recorded")
	}
	tenants := map[string]*tenant{}
	for _, ts := range s.tables {
		if tenants[ts.namespace] == nil {
			tenants[ts.namespace] = newTenant(m.limits)
		}
		t := tenants[ts.namespace].tables()[ts.name]
		if t == nil {
			return fmt.Errorf("namespace %q: there is no table %q", ts.namespace, ts.name)
		}
		t.restore(ts)
	}
	m.tenants, m.restored = tenants, s.covers
	return nil
}

// restore takes the habits in the order in which they were seen last, as if they were
// touched now: where limits are lower than they were, the least usual are pushed out.
func (t *table) restore(s tableState) {
	slices.SortStableFunc(s.habits, func(a, b kept) int { return cmp.Compare(a.last, b.last) })
	for _, k := range s.habits {
		h := t.habit(bounded(k.who), bounded(k.what))
		h.history, h.actor = k.history, k.actor
		t.settle(h)
	}
	for name, lost := range s.owners {
		if o := t.owners[bounded(name)]; o != nil {
			o.lost.merge(lost)
		}
	}
	t.since = s.since
	t.lost.merge(s.lost)
}
