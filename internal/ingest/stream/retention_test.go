package stream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What was accepted waits for as long as nobody processes it, also in a stream that once had an age limit.
func TestEventsHaveNoAgeLimit(t *testing.T) {
	config := Config{Dir: t.TempDir(), MaxBytes: 1 << 20}
	for range 2 {
		s, err := Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		got := s.events.CachedInfo().Config
		if got.MaxAge != 0 || got.Discard != jetstream.DiscardNew {
			t.Errorf("events are dropped after %s, discard %s", got.MaxAge, got.Discard)
		}
		got.MaxAge = retention
		if _, err := s.read.UpdateStream(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
}

// A day may pass without any event.
func TestNothingExpiresWhereNothingIs(t *testing.T) {
	s, err := Open(t.Context(), Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		last, err := s.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Expire(t.Context(), last, time.Now().Add(2*retention)); err != nil {
			t.Errorf("with %d processed: %v", last, err)
		}
		if _, err := s.Publish(t.Context(), "soc", "falco", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
}
