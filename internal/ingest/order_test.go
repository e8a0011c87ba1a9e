package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	lows = 200
	// first of them may be created before the worst: those whose creation was under way.
	first = 32
)

// slowAlerts is an API server that creates nothing until the gate is open.
type slowAlerts struct {
	*fakeAlerts
	gate chan struct{}

	mu    sync.Mutex
	order []v1alpha1.Severity
}

func (s *slowAlerts) Create(ctx context.Context, alert *v1alpha1.Alert) error {
	select {
	case <-s.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	s.order = append(s.order, alert.Spec.Severity)
	s.mu.Unlock()
	return s.fakeAlerts.Create(ctx, alert)
}

// A Critical alert behind a backlog of Low ones is created before all but a few of them,
// and a stop in between loses none and makes none twice.
func TestPipelineCreatesTheWorstFirst(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	for i := range lows {
		publish(t, s, "falco", shell(fmt.Sprintf("web-%d", i), 0))
	}
	last := publish(t, s, "falco", strings.Replace(shell("ledger-0", 0), "Notice", "Critical", 1))

	held, saw := &slowAlerts{fakeAlerts: w.alerts, gate: make(chan struct{})}, &witness{}
	read := func() bool { _, alerts := saw.recorded(); return len(alerts) == lows+1 }
	w.leadOn(t, held, s, saw, read)
	if created := w.alerts.counts(); len(created) != 0 {
		t.Fatalf("%d alerts were created", len(created))
	}

	saw = &witness{}
	var once sync.Once
	w.leadOn(t, held, s, saw, func() bool {
		if read() {
			once.Do(func() { close(held.gate) })
		}
		return processed(t, s, last)()
	})
	if place := slices.Index(held.order, v1alpha1.SeverityCritical); place < 0 || place > first {
		t.Errorf("%d of %d alerts were created before the worst, want at most %d", place, len(held.order), first)
	}
	counts := w.alerts.counts()
	for name, count := range counts {
		if count != 1 {
			t.Errorf("%s counts %d", name, count)
		}
	}
	if len(counts) != lows+1 || len(held.order) != lows+1 {
		t.Errorf("%d alerts after %d creations, want %d", len(counts), len(held.order), lows+1)
	}
}
