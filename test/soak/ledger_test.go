package soak_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/audit"
)

// ledger survives every operator: the audit log, what reached the API server, and what
// people did, in one order.
type ledger struct {
	mu      sync.Mutex
	step    int
	entries []audit.Entry
	logged  []int // the step of each entry
	writes  []write
	edits   []edit
	denials []denial
	// requests of operators that were not watches, by whether they read.
	reads, others int
}

// write is one that the API server made for a connector while it executed an action.
type write struct {
	step         int
	key          string
	method, path string
}

// edit is a person's change of an object.
type edit struct {
	from, to int
	path     string
}

// denial that the API server had accepted by then, by the clock that operators have.
type denial struct {
	action, digest string
	at             time.Time
}

func (l *ledger) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.step++
	return l.step
}

func (l *ledger) requested(method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if method == http.MethodGet {
		l.reads++
	} else {
		l.others++
	}
}

func (l *ledger) wrote(w write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, w)
}

func (l *ledger) append(e audit.Entry) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Index = int64(len(l.entries))
	l.step++
	l.entries, l.logged = append(l.entries, e), append(l.logged, l.step)
	return e.Index
}

// edited has somebody make a change, and remembers when.
func (l *ledger) edited(path string, change func() error) {
	from := l.next()
	_ = change() // a change that is refused is none
	to := l.next()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.edits = append(l.edits, edit{from, to, path})
}

func (l *ledger) denied(action, digest string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.denials = append(l.denials, denial{action, digest, at})
}

// touched says whether a person changed an object between two steps.
func (l *ledger) touched(path string, from, to int) bool {
	for _, e := range l.edits {
		if strings.HasPrefix(path, e.path) && e.to > from && e.from < to {
			return true
		}
	}
	return false
}

// intents of an action, by its key, with their steps.
func (l *ledger) intents(key string) (entries []audit.Entry, steps []int) {
	for i, e := range l.entries {
		if e.Type == audit.TypeIntent && e.Data["key"] == key {
			entries, steps = append(entries, e), append(steps, l.logged[i])
		}
	}
	return entries, steps
}

// mortalLog is the log as one operator has it.
type mortalLog struct {
	ledger *ledger
	life   *life
}

var errDown = errors.New("the volume is gone for a moment")

// Append implements responseaction.Log.
func (l mortalLog) Append(_ context.Context, e audit.Entry) (int64, error) {
	if l.life.dead.Load() {
		return 0, errKilled
	}
	if l.life.troubled() && l.life.chance(5) {
		return 0, errDown
	}
	index := l.ledger.append(e)
	if l.life.dead.Load() {
		return 0, errKilled
	}
	return index, nil
}
