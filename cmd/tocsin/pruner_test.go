package main

import (
	"context"
	"errors"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"
)

// pruned hears of each time the archive is to forget, and never can.
type pruned chan struct{}

func (p pruned) Prune(context.Context) error {
	p <- struct{}{}
	return errors.New("no space left on device")
}

func TestPrunerGoesOn(t *testing.T) {
	clock, times := testclock.NewFakeClock(time.Now()), make(pruned)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- (&pruner{archive: times, clock: clock}).Start(ctx) }()
	for range 3 {
		<-times
		clock.Step(pruneEvery)
	}
	stop()
	for {
		select {
		case <-times: // a step that was heard before the stop
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}
