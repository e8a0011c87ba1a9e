package responseaction

import (
	"strings"
	"sync"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxReleased bounds what is remembered of targets that were acted on.
const maxReleased = 4096

// targets lets one action at a time act on a target and on the workloads that it takes
// pods of, and only on a plan that was made after the last action on them ended.
type targets struct {
	mu       sync.Mutex
	held     map[string]bool
	released map[string]uint64
	// clock counts releases; floor is the last one of those that were forgotten.
	clock, floor uint64
}

func newTargets() *targets {
	return &targets{held: map[string]bool{}, released: map[string]uint64{}}
}

// turn is what a plan that begins now must show to acquire.
func (t *targets) turn() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock
}

// acquire returns how to give the targets back, or nil if one is held by another
// action or was acted on since the turn.
func (t *targets) acquire(turn uint64, wanted ...v1alpha1.TargetReference) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, target := range wanted {
		if key := targetKey(target); t.held[key] || max(t.released[key], t.floor) > turn {
			return nil
		}
	}
	for _, target := range wanted {
		t.held[targetKey(target)] = true
	}
	return func() { t.release(wanted) }
}

func (t *targets) release(held []v1alpha1.TargetReference) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clock++
	if len(t.released) >= maxReleased {
		clear(t.released)
		t.floor = t.clock
	}
	for _, target := range held {
		key := targetKey(target)
		delete(t.held, key)
		t.released[key] = t.clock
	}
}

func targetKey(t v1alpha1.TargetReference) string {
	group, _, _ := strings.Cut(t.APIVersion, "/")
	return strings.Join([]string{group, t.Kind, t.Namespace, t.Name}, "/")
}
