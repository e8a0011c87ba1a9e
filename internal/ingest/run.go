package ingest

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
	"github.com/tocsin-dev/tocsin/internal/queue"
)

const (
	tickEvery  = time.Second
	sweepEvery = time.Minute
	// stopTimeout bounds the last writes after the signal to stop.
	stopTimeout = 10 * time.Second
)

// run is one term of the pipeline as leader. All fields belong to the goroutine of loop.
type run struct {
	*Pipeline
	table     *table
	decodings decodings
	notices   notices
	newest    newest
	looks     looks
	// created delivers what became of creations; creating of them are under way.
	created  chan creation
	creating int
	// waiting are alerts that are yet to be created, with the bytes of their events.
	waiting      queue.Queue[creation]
	waitingBytes int
	// position is the last message processed in memory, saved the last one whose effects are all written.
	position, saved uint64
	// refused is the last message put aside because of an alert that was refused.
	refused uint64
	// stored is the last message from before the start; restored is called once that is remembered.
	stored   uint64
	restored func()
	// heard is when the message at position was received.
	heard, swept time.Time
}

func newRun(p *Pipeline) *run {
	return &run{
		Pipeline: p, restored: p.Remembered, table: newTable(p.Stream.ID(), p.FlushInterval),
		decodings: decodings{reader: p.Sources, compiled: map[types.NamespacedName]compiledDecoding{}},
		notices:   newNotices(p.Events), newest: newNewest(p.Metrics), looks: newLooks(), created: make(chan creation, maxCreations), swept: p.Clock.Now(),
	}
}

// seed reads where the last leader stopped.
func (r *run) seed(ctx context.Context) error {
	err := r.insist(ctx, "Cannot list Alerts", func(ctx context.Context) error {
		r.table = newTable(r.Stream.ID(), r.FlushInterval)
		return r.Alerts.Each(ctx, func(alert *v1alpha1.Alert) {
			// Without its source nothing repeats the alert.
			_, d, _ := r.decodings.get(ctx, types.NamespacedName{Namespace: alert.Namespace, Name: alert.Spec.Source})
			r.table.seed(alert, d.window, r.Clock.Now())
		})
	})
	if err != nil {
		return err
	}
	if r.saved, err = r.Stream.Processed(ctx); err != nil {
		return err
	}
	r.position = r.saved
	r.stored, err = r.Stream.Last(ctx)
	return err
}

// remembered says up to which message everything is.
func (r *run) remembered(sequence uint64) {
	if r.restored != nil && sequence >= r.stored {
		r.restored()
		r.restored = nil
	}
}

// loop starts with the oldest message that is kept: those already processed are only remembered.
func (r *run) loop(ctx context.Context, reader *stream.Reader) error {
	messages, failed := pump(ctx, reader)
	ticker := r.Clock.NewTicker(tickEvery)
	defer ticker.Stop()
	r.remembered(0)
	for {
		var err error
		select {
		case <-ctx.Done():
			return r.stop()
		case message := <-messages:
			if err = r.process(ctx, message); err == nil {
				r.remembered(message.Position.Sequence)
			}
		case c := <-r.created:
			err = r.settle(ctx, c)
		case <-ticker.C():
			err = r.tick(ctx)
		case err = <-failed:
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// pump makes the reader selectable. It ends with the context.
func pump(ctx context.Context, reader *stream.Reader) (<-chan stream.Message, <-chan error) {
	messages, failed := make(chan stream.Message), make(chan error, 1)
	context.AfterFunc(ctx, reader.Close)
	go func() {
		for {
			message, err := reader.Next()
			if err != nil {
				failed <- err
				return
			}
			select {
			case messages <- message:
			case <-ctx.Done():
				return
			}
		}
	}()
	return messages, failed
}

// tick writes the counts that are due, and how far the stream is processed.
func (r *run) tick(ctx context.Context) error {
	now := r.Clock.Now()
	r.flush(ctx, r.table.flushable(now))
	if err := r.checkpoint(ctx); err != nil {
		return err
	}
	if now.Sub(r.swept) >= sweepEvery {
		r.table.sweep(r.saved, r.heard)
		r.newest.sweep(func(key types.NamespacedName) bool {
			source, _, err := r.decodings.get(ctx, key)
			return source == nil && apierrors.IsNotFound(err)
		})
		r.swept = now
		return r.Stream.Expire(ctx, r.saved, now)
	}
	return nil
}

func (r *run) checkpoint(ctx context.Context) error {
	floor := r.table.floor(r.position)
	if floor <= r.saved {
		return nil
	}
	if err := r.Stream.SetProcessed(ctx, floor); err != nil {
		return err
	}
	r.saved = floor
	return r.Stream.Trim(ctx, floor)
}

// stop writes what can be written; the rest is in the stream.
func (r *run) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for ; r.creating > 0; r.creating-- {
		if c := <-r.created; c.err == nil {
			r.table.settle(c, r.Clock.Now())
		}
	}
	var all []*tracked
	for e := range r.table.dirty {
		all = append(all, e)
	}
	r.flush(ctx, all)
	return r.checkpoint(ctx)
}

// insist tries until it works, the error is a rejection, or the pipeline stops:
// order is kept, and nothing is passed over because a server is down.
func (r *run) insist(ctx context.Context, failure string, do func(context.Context) error) error {
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 8, Cap: 10 * time.Second}
	for {
		err := do(ctx)
		if err == nil || rejected(err) {
			return err
		}
		delay := backoff.Step()
		r.Log.Error(err, failure+"; trying again", "in", delay)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.Clock.After(delay):
		}
	}
}
