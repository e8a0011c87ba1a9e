package activity

import (
	"fmt"
)

// headRecord comes first in what a snapshot packs, then each table with its habits.
type headRecord struct {
	Covers place `json:"covers"`
	Tables int   `json:"tables"`
}

type tableRecord struct {
	Namespace string          `json:"namespace"`
	Name      string          `json:"table"`
	Since     int64           `json:"since"`
	Lost      lost            `json:"lost"`
	Owners    map[string]lost `json:"owners,omitempty"`
	Habits    int             `json:"habits"`
}

type habitRecord struct {
	Who        string     `json:"who,omitempty"`
	What       string     `json:"what"`
	First      int64      `json:"first"`
	Last       int64      `json:"last"`
	Older      float32    `json:"older,omitempty"`
	OlderHours float32    `json:"olderHours,omitempty"`
	Decayed    int32      `json:"decayed,omitempty"`
	Hours      [][2]int64 `json:"hours,omitempty"`
	// Actor is there in the table of actors alone.
	Actor *actorRecord `json:"actor,omitempty"`
}

type actorRecord struct {
	Spans [][3]int64 `json:"spans,omitempty"`
	Usual usual      `json:"usual"`
}

func newHabitRecord(k *kept) habitRecord {
	r := habitRecord{
		Who: k.who, What: k.what, First: k.first, Last: k.last, Older: k.older, OlderHours: k.olderHours, Decayed: k.decayed,
		Hours: make([][2]int64, 0, k.n),
	}
	for _, x := range k.used() {
		r.Hours = append(r.Hours, [2]int64{int64(x.start), int64(x.count)})
	}
	if k.actor != nil {
		r.Actor = newActorRecord(k.actor)
	}
	return r
}

func newActorRecord(a *actor) *actorRecord {
	r := &actorRecord{Usual: a.rate.usual}
	for _, x := range a.rate.used() {
		r.Spans = append(r.Spans, [3]int64{int64(x.start), int64(x.requests), int64(x.denied)})
	}
	return r
}

func (r *habitRecord) read() (kept, error) {
	k := kept{key: key{who: r.Who, what: r.What}}
	h := history{first: r.First, last: r.Last, older: r.Older, olderHours: r.OlderHours, decayed: r.Decayed, n: uint8(len(r.Hours))}
	if r.First == 0 || r.Last < r.First || r.Older < 0 || r.OlderHours < 0 || len(r.Hours) > maxHours {
		return k, fmt.Errorf("first %d, last %d, %g in %g older hours, %d hours: makes no history", r.First, r.Last, r.Older, r.OlderHours, len(r.Hours))
	}
	for i, x := range r.Hours {
		h.hours[i] = hour{start: int32(x[0]), count: uint32(x[1])}
		if int64(h.hours[i].start) != x[0] || int64(h.hours[i].count) != x[1] || i > 0 && x[0] <= r.Hours[i-1][0] {
			return k, fmt.Errorf("hours[%d]: %v: expected a later hour than the one before, and a count", i, x)
		}
	}
	k.history = h
	var err error
	if r.Actor != nil {
		k.actor, err = r.Actor.read()
	}
	return k, err
}

func (r *actorRecord) read() (*actor, error) {
	a := &actor{}
	if len(r.Spans) > maxSpans {
		return nil, fmt.Errorf("%d spans: expected at most %d", len(r.Spans), maxSpans)
	}
	for i, x := range r.Spans {
		s := span{start: int32(x[0]), requests: uint32(x[1]), denied: uint32(x[2])}
		if int64(s.start) != x[0] || int64(s.requests) != x[1] || int64(s.denied) != x[2] || i > 0 && x[0] <= r.Spans[i-1][0] {
			return nil, fmt.Errorf("spans[%d]: %v: expected a later span than the one before, and two counts", i, x)
		}
		a.rate.spans[i] = s
	}
	a.rate.n, a.rate.usual = uint8(len(r.Spans)), r.Usual
	return a, nil
}
