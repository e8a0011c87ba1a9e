package investigation

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// desk runs inquiries beside Reconcile, a bounded number at a time, and wakes
// the case's Reconcile when one is done.
type desk struct {
	// patience bounds how long new subjects put a conclusion off: whoever keeps
	// raising alerts must not keep the case without a verdict.
	patience time.Duration

	slots chan struct{}
	done  chan event.GenericEvent

	mu        sync.Mutex
	inquiries map[types.NamespacedName]*inquiry
}

// inquiry is one run over the alerts of a case.
type inquiry struct {
	// subject tells which alerts were asked about: another subject is another inquiry.
	subject string
	// since is when the first of the inquiries began that were given up for this one.
	since  time.Time
	cancel context.CancelFunc

	finished bool
	outcome  outcome
	err      error
}

func newDesk(parallel int) *desk {
	return &desk{
		patience:  3 * time.Second,
		slots:     make(chan struct{}, parallel),
		done:      make(chan event.GenericEvent, 1024),
		inquiries: map[types.NamespacedName]*inquiry{},
	}
}

// collect returns the outcome of the inquiry about a subject, and starts it if
// there is none. An inquiry about an older subject is given up, unless patience is
// over: then its outcome is returned before the next is begun.
func (d *desk) collect(ctx context.Context, key types.NamespacedName, subject string, run func(context.Context) (outcome, error)) (outcome, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	current := d.inquiries[key]
	if current != nil && current.subject == subject {
		if current.finished && current.err != nil {
			delete(d.inquiries, key) // the next Reconcile starts afresh
		}
		return current.outcome, current.finished, current.err
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
	next := &inquiry{subject: subject, since: since, cancel: cancel}
	d.inquiries[key] = next
	go d.run(ctx, key, next, run)
	return outcome{}, false, nil
}

func (d *desk) run(ctx context.Context, key types.NamespacedName, i *inquiry, run func(context.Context) (outcome, error)) {
	defer i.cancel()
	d.slots <- struct{}{}
	result, err := outcome{}, ctx.Err()
	if err == nil {
		result, err = run(ctx)
	}
	<-d.slots

	d.mu.Lock()
	i.outcome, i.err, i.finished = result, err, true
	abandoned := d.inquiries[key] != i
	d.mu.Unlock()
	if abandoned {
		return
	}
	wake := &v1alpha1.Investigation{}
	wake.Namespace, wake.Name = key.Namespace, key.Name
	d.done <- event.GenericEvent{Object: wake}
}

// forget gives up the inquiry about a case, or drops its outcome.
func (d *desk) forget(key types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.inquiries[key]; i != nil {
		i.cancel()
		delete(d.inquiries, key)
	}
}
