package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

func open(t *testing.T, config stream.Config) *stream.Stream {
	t.Helper()
	s, err := stream.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func publish(t *testing.T, s *stream.Stream, source, body string) stream.Position {
	t.Helper()
	p, err := s.Publish(t.Context(), "shop", source, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, s *stream.Stream, n int) []string {
	t.Helper()
	r, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for range n {
		m, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %s %s", m.Position.Sequence, m.Namespace, m.Source, m.Body))
	}
	return got
}

func TestStreamSurvivesReopening(t *testing.T) {
	config := stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 20}
	s := open(t, config)
	first := publish(t, s, "falco.edge", "a")
	publish(t, s, "audit", "b")
	if err := s.SetProcessed(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	s.Close()

	s = open(t, config)
	if s.ID() != first.Stream {
		t.Errorf("the stream was %s and is %s", first.Stream, s.ID())
	}
	if p := publish(t, s, "audit", "c"); p.Sequence != 3 {
		t.Errorf("the next message is %s", p)
	}
	if diff := cmp.Diff([]string{"1 shop falco.edge a", "2 shop audit b", "3 shop audit c"}, read(t, s, 3)); diff != "" {
		t.Error(diff)
	}
	if processed, err := s.Processed(t.Context()); err != nil || processed != 1 {
		t.Errorf("processed %d, %v", processed, err)
	}
}

func TestProcessedIsOfThisStream(t *testing.T) {
	s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
	if processed, err := s.Processed(t.Context()); err != nil || processed != 0 {
		t.Errorf("a new stream has processed %d, %v", processed, err)
	}
	if other := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 20}); other.ID() == s.ID() {
		t.Errorf("two streams are both %s", s.ID())
	}
}

func TestPublishRefusesWhatItCannotStore(t *testing.T) {
	s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 64 << 10})
	if _, err := s.Publish(t.Context(), "shop", "audit", make([]byte, stream.MaxPayload+1)); !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("a body over the limit: %v", err)
	}
	body := bytes.Repeat([]byte("x"), 8<<10)
	var last stream.Position
	var err error
	for range 16 {
		var p stream.Position
		if p, err = s.Publish(t.Context(), "shop", "audit", body); err != nil {
			break
		}
		last = p
	}
	if !errors.Is(err, stream.ErrUnavailable) {
		t.Fatalf("a full stream of unprocessed events took one more: %v", err)
	}
	if err := s.Trim(t.Context(), last.Sequence); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(t.Context(), "shop", "audit", body); err != nil {
		t.Errorf("there is no room after processed events were trimmed: %v", err)
	}
}

func TestTrimKeepsWhatIsNotProcessed(t *testing.T) {
	s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 64 << 10})
	for range 7 {
		publish(t, s, "audit", string(bytes.Repeat([]byte("x"), 8<<10)))
	}
	if err := s.Trim(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Message(t.Context(), 3); err != nil {
		t.Errorf("message 3 was not processed: %v", err)
	}
}

func TestExpireKeepsWhatIsYoungOrNotProcessed(t *testing.T) {
	tests := map[string]struct {
		processed uint64
		after     time.Duration
		wantFirst uint64
	}{
		"young":           {4, 23 * time.Hour, 1},
		"old":             {4, 25 * time.Hour, 5},
		"partly":          {2, 25 * time.Hour, 3},
		"nothing is done": {0, 1000 * time.Hour, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
			for range 5 {
				publish(t, s, "audit", "x")
			}
			for range 2 { // what is gone already makes no difference
				if err := s.Expire(t.Context(), tc.processed, time.Now().Add(tc.after)); err != nil {
					t.Fatal(err)
				}
			}
			for sequence := uint64(1); sequence <= 5; sequence++ {
				if _, err := s.Message(t.Context(), sequence); (err == nil) != (sequence >= tc.wantFirst) {
					t.Errorf("message %d: %v", sequence, err)
				}
			}
		})
	}
}

func TestExpireTellsAgesApart(t *testing.T) {
	s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
	for range 9 {
		publish(t, s, "audit", "x")
	}
	sixth, err := s.Message(t.Context(), 6)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Expire(t.Context(), 9, sixth.Received.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"6 shop audit x", "7 shop audit x"}, read(t, s, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestDeadLetters(t *testing.T) {
	s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
	want := stream.DeadLetter{
		Namespace: "shop", Source: "a.b", Class: "mapping", Origin: "EVENTS-1/7",
		Reason: "spec.mapping.rule: no such key", Body: []byte("{}"),
	}
	again := want
	again.Reason = "the same message after a restart"
	hostile := stream.DeadLetter{Namespace: "shop", Source: "x", Class: "malformed", Reason: "a\r\nTocsin-Class: forged\x00\xff"}
	for _, letter := range []stream.DeadLetter{want, again, hostile} {
		if err := s.Bury(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
	}
	var got []stream.DeadLetter
	for letter, err := range s.DeadLetters(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, letter)
	}
	hostile.Reason = "a  Tocsin-Class: forged \uFFFD"
	hostile.Body = nil
	if diff := cmp.Diff([]stream.DeadLetter{want, hostile}, got, cmp.Transformer("text", func(b []byte) string { return string(b) })); diff != "" {
		t.Error(diff)
	}
}

// Whatever is accepted can be put aside: else it would be tried for ever, and all that follows would wait.
func TestWhatIsPublishedCanBeBuried(t *testing.T) {
	s := open(t, stream.Config{Dir: t.TempDir(), MaxBytes: 1 << 30})
	letter := stream.DeadLetter{
		Namespace: strings.Repeat("n", 63), Source: strings.Repeat("s", 253), Class: "rejected",
		Reason: strings.Repeat("\U0001F511", 10_000), Origin: s.ID() + "/18446744073709551615/" + strings.Repeat("a", 253),
	}
	sizes := []int{32<<20 - 1000, stream.MaxPayload}
	for i, size := range sizes {
		letter.Body = make([]byte, size)
		if _, err := s.Publish(t.Context(), letter.Namespace, letter.Source, letter.Body); errors.Is(err, stream.ErrTooLarge) != (size > stream.MaxPayload) {
			t.Errorf("%d bytes are published: %v", size, err)
		}
		letter.Origin = letter.Origin[:len(letter.Origin)-1] + fmt.Sprint(i)
		if err := s.Bury(t.Context(), letter); err != nil {
			t.Fatalf("%d bytes are a dead letter: %v", size, err)
		}
	}
	for kept, err := range s.DeadLetters(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		said := strings.HasPrefix(kept.Reason, fmt.Sprintf("(cut to %d of %d bytes) ", stream.MaxPayload, sizes[0]))
		if len(kept.Body) != stream.MaxPayload || said != (sizes[0] > stream.MaxPayload) {
			t.Errorf("%d bytes are kept as %d: %.60s", sizes[0], len(kept.Body), kept.Reason)
		}
		sizes = sizes[1:]
	}
	if len(sizes) > 0 {
		t.Errorf("not kept: %d", sizes)
	}
}

func TestParsePosition(t *testing.T) {
	tests := map[string]struct {
		in   string
		want stream.Position
		bad  bool
	}{
		"good":        {in: "EVENTS-1/7", want: stream.Position{Stream: "EVENTS-1", Sequence: 7}},
		"zero":        {in: "EVENTS-1/0", bad: true},
		"no stream":   {in: "/7", bad: true},
		"no sequence": {in: "EVENTS-1", bad: true},
		"negative":    {in: "EVENTS-1/-7", bad: true},
		"too large":   {in: "EVENTS-1/9223372036854775808", bad: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := stream.ParsePosition(tc.in)
			if (err != nil) != tc.bad || got != tc.want {
				t.Errorf("got %v, %v", got, err)
			}
			if err == nil && got.String() != tc.in {
				t.Errorf("written as %s", got)
			}
		})
	}
}
