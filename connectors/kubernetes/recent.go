package kubernetes

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// freshness is how old what many questions share may be: a burst of alerts then
// lists it twice a second, not once an alert.
const freshness = 500 * time.Millisecond

// recent keeps a value that is dear to read. Those who come while it is read wait for it.
type recent[T any] struct {
	turn  chan struct{}
	value T
	at    time.Time
}

func newRecent[T any]() *recent[T] { return &recent[T]{turn: make(chan struct{}, 1)} }

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
	if !r.at.IsZero() && c.Since(r.at) < freshness {
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
