package kubernetes

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// recent keeps a value that is dear to read. Those who come while it is read wait for it.
type recent[T any] struct {
	freshness time.Duration
	turn      chan struct{}
	value     T
	at        time.Time
}

func newRecent[T any](freshness time.Duration) *recent[T] {
	return &recent[T]{freshness: freshness, turn: make(chan struct{}, 1)}
}

// get returns the value, read again if it is too old. An error is not kept.
func (r *recent[T]) get(ctx context.Context, c clock.PassiveClock, read func() (T, error)) (T, error) {
	var none T
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if !r.at.IsZero() && c.Since(r.at) < r.freshness {
		return r.value, nil
	}
	at := c.Now()
	value, err := read()
	if err != nil {
		return none, err
	}
	r.value, r.at = value, at
	return value, nil
}
