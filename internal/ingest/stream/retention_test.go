package stream

import (
	"testing"

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
