package activity

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// Brief is one event in a line: an audit event, or an alert if Rule is set.
type Brief struct {
	At time.Time
	// Actor is a username.
	Actor string
	Verb  string
	// Resource in plural, with its subresource, such as pods/exec.
	Resource        string
	Namespace, Name string
	Code            int
	// Rule of an alert.
	Rule string
}

// entry of the log.
type entry struct {
	Brief
	// firing that an alert is; nil for an audit event.
	firing *Firing
}

func briefOf(e auditevent.Event, at time.Time) Brief {
	return Brief{
		At: at, Actor: e.Actor(), Verb: e.Verb, Resource: e.Object.Path(),
		Namespace: e.Object.Namespace, Name: e.Object.Name, Code: e.Code,
	}
}

// log is a ring of the latest events. Positions count from 0 and never repeat.
type log struct {
	ring []entry
	next uint64
	size uint64
}

func newLog(size int) *log { return &log{size: uint64(size)} }

// add grows the ring only as far as there is something to remember.
func (l *log) add(b entry) uint64 {
	position := l.next
	if position < l.size {
		l.ring = append(l.ring, b)
	} else {
		l.ring[position%l.size] = b
	}
	l.next++
	return position
}

// at returns what was added at a position, unless it was overwritten.
func (l *log) at(position uint64) (entry, bool) {
	if position >= l.next || l.next-position > l.size {
		return entry{}, false
	}
	return l.ring[position%l.size], true
}

// positions in the log of the latest events of an entity, oldest first.
type positions struct{ latest []uint64 }

func newPositions() *positions { return &positions{} }

func (p *positions) add(position uint64, limit int) {
	if len(p.latest) == limit {
		copy(p.latest, p.latest[1:])
		p.latest = p.latest[:limit-1]
	}
	p.latest = append(p.latest, position)
}
