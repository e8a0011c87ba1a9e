package kubernetes

import (
	"context"
	"errors"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

const freshness = time.Second

func TestRecent(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	reads, fails := 0, errors.New("unreachable")
	read := func() (int, error) {
		if reads++; reads == 1 {
			return 0, fails
		}
		return reads, nil
	}
	r := newRecent[int](freshness)
	for _, step := range []struct {
		after   time.Duration
		want    int
		wantErr error
	}{
		{wantErr: fails}, {want: 2}, {after: freshness - 1, want: 2}, {after: 1, want: 3}, {want: 3},
	} {
		clock.SetTime(clock.Now().Add(step.after))
		if got, err := r.get(t.Context(), clock, read); got != step.want || !errors.Is(err, step.wantErr) {
			t.Errorf("after %s: got %d, %v; want %d, %v", step.after, got, err, step.want, step.wantErr)
		}
	}
}

// Who waits for another's read gives up when its own time is over.
func TestRecentWaitsNoLongerThanItsContext(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	r := newRecent[int](freshness)
	reading, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = r.get(context.Background(), clock, func() (int, error) { reading <- struct{}{}; <-reading; return 1, nil })
	}()
	<-reading
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.get(ctx, clock, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	close(reading)
	<-done
}
