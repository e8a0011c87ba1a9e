package ingest

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

const (
	maxFlushes   = 8
	flushTimeout = 30 * time.Second
)

// flush writes the counts of alerts. What fails is tried again when it is due again.
func (r *run) flush(ctx context.Context, alerts []*tracked) {
	if len(alerts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	errs := make([]error, len(alerts))
	var writes errgroup.Group
	writes.SetLimit(maxFlushes)
	for i, e := range alerts {
		writes.Go(func() error {
			errs[i] = r.save(ctx, e)
			return nil
		})
	}
	_ = writes.Wait() // Each error is looked at by itself.
	for i, e := range alerts {
		r.saveEnded(e, errs[i])
	}
}

func (r *run) save(ctx context.Context, e *tracked) error {
	return r.Alerts.SetCount(ctx, e.key, Count{
		Events: e.events, LastSeen: e.lastSeen, Through: stream.Position{Stream: r.Stream.ID(), Sequence: e.through},
	})
}

func (r *run) saveEnded(e *tracked, err error) {
	now := r.Clock.Now()
	switch {
	case err == nil:
		r.table.saved(e, now)
	case apierrors.IsNotFound(err):
		r.table.forget(e) // deleted; a further event makes a new one
	default:
		r.Log.Error(err, "Cannot write the count of an Alert; it stays in the stream", "alert", e.key)
		e.due = now.Add(e.interval)
	}
}
