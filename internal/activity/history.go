package activity

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// maxHours is how many of the latest hours are counted apart.
const maxHours = 8

// deed is something that an actor does. Refused requests are no deeds.
type deed struct{ actor, verb, resource, namespace string }

func deedOf(e auditevent.Event) deed {
	return deed{actor: e.Actor(), verb: e.Verb, resource: e.Object.Path(), namespace: e.Object.Namespace}
}

// history of a deed. The latest hours are counted apart, so that what happened
// before a moment can be told from what an intruder repeats after it.
type history struct {
	first, last time.Time
	// older counts what is not in hours, and olderHours in how many hours that was.
	older, olderHours int
	hours             []hour
}

type hour struct {
	start time.Time
	count int
}

func newHistory() *history { return &history{} }

func (h *history) saw(at time.Time) {
	if h.first.IsZero() || at.Before(h.first) {
		h.first = at
	}
	h.last = later(h.last, at)
	start := at.Truncate(time.Hour)
	for i := range h.hours {
		if h.hours[i].start.Equal(start) {
			h.hours[i].count++
			return
		}
	}
	if len(h.hours) > 0 && start.Before(h.hours[0].start) && len(h.hours) == maxHours {
		h.older++
		return
	}
	h.insert(hour{start: start, count: 1})
}

// insert keeps hours in order.
func (h *history) insert(new hour) {
	if len(h.hours) == maxHours {
		h.older += h.hours[0].count
		h.olderHours++
		h.hours = append(h.hours[:0], h.hours[1:]...)
	}
	i := len(h.hours)
	for i > 0 && new.start.Before(h.hours[i-1].start) {
		i--
	}
	h.hours = append(h.hours, hour{})
	copy(h.hours[i+1:], h.hours[i:])
	h.hours[i] = new
}

// before counts what certainly happened before a moment: how often, and in how many
// different hours. The hour of the moment itself does not count.
func (h *history) before(moment time.Time) (count, hours int) {
	limit := moment.Truncate(time.Hour)
	if len(h.hours) > 0 && h.hours[0].start.Before(limit) {
		count, hours = h.older, h.olderHours
	}
	for _, x := range h.hours {
		if x.start.Before(limit) {
			count += x.count
			hours++
		}
	}
	return count, hours
}
