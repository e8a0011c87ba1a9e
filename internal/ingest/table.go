package ingest

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
	"github.com/tocsin-dev/tocsin/internal/queue"
)

// maxFlushInterval bounds how far an alert that keeps repeating lags behind.
const maxFlushInterval = 5 * time.Minute

// tally is how many events of an alert one message held.
type tally struct {
	sequence uint64
	events   int64
}

// tracked is an alert that repeats may count towards.
type tracked struct {
	key         types.NamespacedName
	fingerprint string
	// investigation that the alert is in, if that is known.
	investigation string
	firstSeen     time.Time
	// window after lastSeen within which an event is a repeat.
	window   time.Duration
	events   int64
	lastSeen time.Time
	// through is the last message counted here; heard is when that was received.
	through uint64
	heard   time.Time
	// unsaved is the first message counted here whose count is not in the API server; 0 if there is none.
	unsaved uint64
	// creating holds the tallies since the alert is being created; nil once it exists.
	creating []tally
	// place where it waits for its creation.
	place *queue.Place[creation]
	// due is when the count is to be written; saved is when it was, interval the time until the next.
	due, saved time.Time
	interval   time.Duration
}

// table decides which events are repeats, and what of them is still to be
// written. Only one goroutine may use it. It knows no clock and no cluster.
type table struct {
	stream        string
	flushInterval time.Duration
	// latest alert by fingerprint.
	latest map[string]*tracked
	// dirty are to be written; pending are being created.
	dirty, pending map[*tracked]bool
}

func newTable(stream string, flushInterval time.Duration) *table {
	return &table{
		stream: stream, flushInterval: flushInterval,
		latest: map[string]*tracked{}, dirty: map[*tracked]bool{}, pending: map[*tracked]bool{},
	}
}

// seed takes in an alert that exists. Messages of a fingerprint are counted in
// order, so whatever lies before the last one counted for any of its alerts is counted.
func (t *table) seed(alert *v1alpha1.Alert, window time.Duration, now time.Time) {
	count := CountOf(alert)
	e := &tracked{
		key:         types.NamespacedName{Namespace: alert.Namespace, Name: alert.Name},
		fingerprint: alert.Spec.Fingerprint, window: window,
		investigation: alert.Labels[v1alpha1.LabelInvestigation], firstSeen: alert.Spec.FirstSeen.Time,
		events: count.Events, lastSeen: count.LastSeen, heard: now, interval: t.flushInterval,
	}
	if count.Through.Stream == t.stream {
		e.through = count.Through.Sequence
	}
	if other := t.latest[e.fingerprint]; other != nil {
		through := max(e.through, other.through)
		if e.lastSeen.Before(other.lastSeen) {
			e = other
		}
		e.through = through
	}
	t.latest[e.fingerprint] = e
	if alert.Status.Counted == nil && count.Events > 1 {
		t.touch(e, now)
	}
}

// repeats tells whether the alert's window takes in an event of that time.
func (e *tracked) repeats(first time.Time) bool { return !first.After(e.lastSeen.Add(e.window)) }

// repeat counts a group of a message towards its alert.
func (t *table) repeat(e *tracked, g group, message stream.Message, now time.Time) {
	sequence := message.Position.Sequence
	e.window = g.window
	e.events += g.events
	e.through, e.heard = sequence, message.Received
	if g.last.After(e.lastSeen) {
		e.lastSeen = g.last
	}
	if t.pending[e] {
		e.creating = append(e.creating, tally{sequence, g.events})
		return
	}
	if e.unsaved == 0 {
		e.unsaved = sequence
	}
	t.touch(e, now)
}

// touch has the count written once the interval is over.
func (t *table) touch(e *tracked, now time.Time) {
	if t.dirty[e] {
		return
	}
	if now.Sub(e.saved) > maxFlushInterval {
		e.interval = t.flushInterval
	}
	e.due = now.Add(e.interval)
	t.dirty[e] = true
}

// begin tracks an alert that is being created for a group.
func (t *table) begin(alert *v1alpha1.Alert, g group, message stream.Message) *tracked {
	sequence := message.Position.Sequence
	e := &tracked{
		key:           types.NamespacedName{Namespace: alert.Namespace, Name: alert.Name},
		investigation: alert.Labels[v1alpha1.LabelInvestigation], firstSeen: alert.Spec.FirstSeen.Time,
		fingerprint: g.spec.Fingerprint, window: g.window,
		events: g.events, lastSeen: g.last, through: sequence, heard: message.Received,
		creating: []tally{{sequence, g.events}}, interval: t.flushInterval,
	}
	t.latest[e.fingerprint] = e
	t.pending[e] = true
	return e
}

// created: the alert exists now, with the count of its first message.
func (t *table) created(e *tracked, now time.Time) {
	tallies := e.creating
	e.creating = nil
	delete(t.pending, e)
	if len(tallies) > 1 {
		e.unsaved = tallies[1].sequence
	}
	if e.events > 1 {
		t.touch(e, now)
	}
}

// exists: the alert was there before, with a count that may include what was counted here.
func (t *table) exists(e *tracked, alert *v1alpha1.Alert, now time.Time) {
	count := CountOf(alert)
	through := uint64(0)
	if count.Through.Stream == t.stream {
		through = count.Through.Sequence
	}
	tallies := e.creating
	e.creating = nil
	delete(t.pending, e)
	e.events, e.through = count.Events, max(through, e.through)
	if count.LastSeen.After(e.lastSeen) {
		e.lastSeen = count.LastSeen
	}
	for _, tally := range tallies {
		if tally.sequence <= through {
			continue
		}
		e.events += tally.events
		if e.unsaved == 0 {
			e.unsaved = tally.sequence
		}
	}
	if e.unsaved != 0 || alert.Status.Counted == nil && e.events > 1 {
		t.touch(e, now)
	}
}

// forget drops an alert that is gone or was refused.
func (t *table) forget(e *tracked) {
	delete(t.pending, e)
	delete(t.dirty, e)
	if t.latest[e.fingerprint] == e {
		delete(t.latest, e.fingerprint)
	}
}

// flushable returns the alerts whose count is to be written now.
func (t *table) flushable(now time.Time) []*tracked {
	var found []*tracked
	for e := range t.dirty {
		if !e.due.After(now) {
			found = append(found, e)
		}
	}
	return found
}

// saved: the count is in the API server. An alert that keeps repeating is written ever more rarely.
func (t *table) saved(e *tracked, now time.Time) {
	delete(t.dirty, e)
	e.unsaved, e.saved = 0, now
	e.interval = min(2*e.interval, maxFlushInterval)
}

// floor is the sequence up to which every effect is in the API server, when
// messages up to position are processed.
func (t *table) floor(position uint64) uint64 {
	for e := range t.dirty {
		if e.unsaved != 0 {
			position = min(position, e.unsaved-1)
		}
	}
	for e := range t.pending {
		position = min(position, e.creating[0].sequence-1)
	}
	return position
}

// sweep drops alerts that nothing was counted towards for a window, by when messages
// were received: a pipeline that lags behind, or a sender that catches up, must
// not split an alert. Their messages up to floor will not come again.
func (t *table) sweep(floor uint64, heard time.Time) {
	for fingerprint, e := range t.latest {
		if !t.dirty[e] && !t.pending[e] && e.through <= floor && heard.After(e.heard.Add(e.window)) {
			delete(t.latest, fingerprint)
		}
	}
}
