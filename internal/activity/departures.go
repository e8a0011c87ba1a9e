package activity

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// departing is how long before and after a moment departures are counted.
const departing = time.Hour

// maxCompared is how many departures are compared with all that the actor did.
const maxCompared = 8

// Deed is something that an actor does.
type Deed struct{ Verb, Resource, Namespace string }

func readDeed(what string) Deed {
	parts := strings.SplitN(what, "\x00", 3)
	for len(parts) < 3 { // a long one that was shortened
		parts = append(parts, "")
	}
	return Deed{Verb: parts[0], Resource: parts[1], Namespace: parts[2]}
}

// Departures are what an actor did for the first time around a moment.
type Departures struct {
	// Known is for how long before the moment the actor was.
	Known time.Duration
	// Peak is how many deeds it did for the first time in the one hour with most of them,
	// but for its first day.
	Peak int
	// New are accepted, in the order in which they happened; Refused were never tried before and were refused.
	New, Refused []Deed
	// Elsewhere is how many of the accepted it has done in several other namespaces.
	Elsewhere int
}

// Departures of an actor (a username) around a moment.
func (m *Memory) Departures(namespace, actor string, at time.Time) Departures {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return Departures{}
	}
	accepted, refused := departures(t.deeds, bounded(actor), at), departures(t.tries, bounded(actor), at)
	found := Departures{Known: max(accepted.Known, refused.Known), Peak: accepted.Peak, New: accepted.New, Refused: refused.New}
	for _, deed := range found.New[:min(len(found.New), maxCompared)] {
		if t.likeness(bounded(actor), deed, at).elsewhere {
			found.Elsewhere++
		}
	}
	return found
}

func departures(of *table, who string, at time.Time) Departures {
	var d Departures
	owner := of.owners[who]
	if owner == nil {
		return d
	}
	from, to := at.Add(-departing).UnixMicro(), at.Add(departing).UnixMicro()
	grown := moment(owner.first).Add(settling).UnixMicro()
	began := map[int32]int{}
	var new []*habit
	for h := range owner.habits() {
		switch {
		case h.first >= from && h.first <= to:
			new = append(new, h)
		case h.first < at.Add(-settling).UnixMicro() && h.first > grown:
			hour := hourOf(moment(h.first))
			began[hour]++
			d.Peak = max(d.Peak, began[hour])
		}
	}
	slices.SortFunc(new, func(a, b *habit) int { return cmp.Compare(a.first, b.first) })
	for _, h := range new {
		d.New = append(d.New, readDeed(h.what))
	}
	if owner.first < from {
		d.Known = at.Sub(moment(owner.first))
	}
	return d
}

// Namespaces is in how many namespaces they happened.
func (d Departures) Namespaces() int {
	in := map[string]bool{}
	for _, deed := range slices.Concat(d.New, d.Refused) {
		if deed.Namespace != "" {
			in[deed.Namespace] = true
		}
	}
	return len(in)
}
