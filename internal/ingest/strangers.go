package ingest

import (
	"io"
	"slices"
	"sync"
)

// strangers are the bodies of senders that have not proved themselves yet, oldest
// first. Where they are too much together the oldest gives way: whoever has the key
// is through as soon as the body is, and whoever has none only holds what nobody wants.
type strangers struct {
	mu    sync.Mutex
	all   []*stranger
	taken int
}

type stranger struct {
	among *strangers
	body  io.Reader
	// interrupt ends a Read that waits.
	interrupt func()
	taken     int
	gone      bool
}

func (s *strangers) enter(body io.Reader, interrupt func()) *stranger {
	b := &stranger{among: s, body: body, interrupt: interrupt}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, b)
	return b
}

// Read implements io.Reader. It errs with errCrowded once the body gave way.
func (b *stranger) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	s := b.among
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.gone {
		return 0, errCrowded
	}
	b.taken += n
	s.taken += n
	for s.taken > maxUnproven {
		s.all[0].interrupt()
		s.remove(s.all[0])
	}
	return n, err
}

// leave gives back what the body takes.
func (b *stranger) leave() {
	b.among.mu.Lock()
	defer b.among.mu.Unlock()
	b.among.remove(b)
}

func (s *strangers) remove(b *stranger) {
	if b.gone {
		return
	}
	b.gone = true
	s.taken -= b.taken
	i := slices.Index(s.all, b)
	s.all = slices.Delete(s.all, i, i+1)
}
