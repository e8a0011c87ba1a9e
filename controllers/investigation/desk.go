package investigation

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/tocsin-dev/tocsin/controllers/urgency"
	"github.com/tocsin-dev/tocsin/internal/queue"
)

// desk runs inquiries beside Reconcile, a bounded number at a time and the most urgent
// first, and wakes the case's Reconcile when one is done.
type desk struct {
	// patience bounds how long new subjects put a conclusion off: whoever keeps
	// raising alerts must not keep the case without a verdict.
	patience time.Duration

	parallel int
	done     chan event.TypedGenericEvent[wake]

	mu        sync.Mutex
	inquiries map[types.NamespacedName]*inquiry
	waiting   queue.Queue[*inquiry]
	running   int
}

// wake tells which case an inquiry is done about.
type wake struct {
	key   types.NamespacedName
	level urgency.Level
}

// inquiry is one run over the alerts of a case.
type inquiry struct {
	key types.NamespacedName
	// subject tells which alerts are asked about: another subject is another inquiry.
	subject string
	run     func(context.Context) (outcome, error)
	// since is when the first of the inquiries began that were given up for this one.
	since  time.Time
	ctx    context.Context
	cancel context.CancelFunc

	level urgency.Level
	place *queue.Place[*inquiry]

	finished bool
	outcome  outcome
	err      error
}

func newDesk(parallel int) *desk {
	return &desk{
		patience:  3 * time.Second,
		parallel:  parallel,
		done:      make(chan event.TypedGenericEvent[wake], 1024),
		inquiries: map[types.NamespacedName]*inquiry{},
	}
}

// collect returns the outcome of the inquiry about a subject, and starts it if
// there is none. An inquiry about an older subject is given up, unless patience is
// over: then its outcome is returned before the next is begun.
func (d *desk) collect(ctx context.Context, key types.NamespacedName, subject string, level urgency.Level, run func(context.Context) (outcome, error)) (outcome, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	current := d.inquiries[key]
	if current != nil && current.subject == subject {
		if current.finished && current.err != nil {
			delete(d.inquiries, key) // the next Reconcile starts afresh
		}
		return current.outcome, current.finished, current.err
	}
	if current != nil && current.place.Waits() {
		current.subject, current.run, current.level = subject, run, max(current.level, level)
		d.waiting.Raise(current.place, int(level))
		return outcome{}, false, nil
	}
	since := time.Now()
	if current != nil {
		if since.Sub(current.since) >= d.patience && current.err == nil {
			if current.finished {
				delete(d.inquiries, key)
			}
			return current.outcome, current.finished, nil
		}
		current.cancel()
		since = current.since
	}
	// The inquiry outlives the Reconcile that starts it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	next := &inquiry{key: key, subject: subject, run: run, since: since, ctx: ctx, cancel: cancel, level: level}
	d.inquiries[key] = next
	next.place = d.waiting.Push(next, int(level))
	d.begin()
	return outcome{}, false, nil
}

// begin runs the most urgent inquiries that there is room for. The lock is held.
func (d *desk) begin() {
	for d.running < d.parallel && d.waiting.Len() > 0 {
		d.running++
		go d.inquire(d.waiting.Pop())
	}
}

func (d *desk) inquire(i *inquiry) {
	defer i.cancel()
	result, err := outcome{}, i.ctx.Err()
	if err == nil {
		result, err = i.run(i.ctx)
	}
	d.mu.Lock()
	i.outcome, i.err, i.finished = result, err, true
	abandoned := d.inquiries[i.key] != i
	d.running--
	d.begin()
	d.mu.Unlock()
	if abandoned {
		return
	}
	level := max(i.level, urgency.OfPriority(result.status.Priority))
	d.done <- event.TypedGenericEvent[wake]{Object: wake{i.key, level}}
}

// forget gives up the inquiry about a case, or drops its outcome.
func (d *desk) forget(key types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.inquiries[key]; i != nil {
		i.cancel()
		delete(d.inquiries, key)
		d.waiting.Remove(i.place)
	}
}
