package ingest

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/semaphore"
)

const (
	// maxHeld bytes of bodies are in memory at a time, and maxHeldOfSource of one source.
	maxHeld         = 96 << 20
	maxHeldOfSource = 40 << 20
	// maxUnproven bytes more are of senders that have not proved themselves yet.
	maxUnproven = 40 << 20
	// maxValues of JSON are parsed at a time; each takes a hundred bytes and more, however
	// short it is written.
	maxValues = 2_000_000
)

var (
	errCrowded = errors.New("too much is being sent at once")
	errValues  = errors.New("too many JSON values")
)

// room is what bodies may take of memory, all together.
type room struct {
	bytes, values *semaphore.Weighted
	strangers     strangers
}

func newRoom() *room {
	return &room{bytes: semaphore.NewWeighted(maxHeld), values: semaphore.NewWeighted(maxValues)}
}

// held is what the body of one proven sender takes; release gives it back.
type held struct {
	of    []*semaphore.Weighted
	taken int64
}

// take errs with errCrowded where there is no room.
func (h *held) take(n int) error {
	for i, s := range h.of {
		if !s.TryAcquire(int64(n)) {
			for _, s := range h.of[:i] {
				s.Release(int64(n))
			}
			return errCrowded
		}
	}
	h.taken += int64(n)
	return nil
}

func (h *held) release() {
	for _, s := range h.of {
		s.Release(h.taken)
	}
}

// metered takes room for what is read.
type metered struct {
	body io.Reader
	held *held
}

// Read implements io.Reader.
func (m metered) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	if crowded := m.held.take(n); crowded != nil {
		return 0, crowded
	}
	return n, err
}

// clean is the function Clean, when it is the body's turn, and counts the events.
// What is no JSON counts as one.
func (r *room) clean(ctx context.Context, body []byte, count func([]byte) int) (event []byte, events int, err error) {
	n := values(body)
	if n > maxValues {
		return nil, 1, errValues
	}
	if err := r.values.Acquire(ctx, n); err != nil {
		return nil, 0, errCrowded
	}
	defer r.values.Release(n)
	if event, err = Clean(body); err != nil {
		return event, 1, err
	}
	return event, count(event), nil
}

// values of JSON that a body holds at most.
func values(body []byte) int64 {
	n, quoted := int64(1), false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}
