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
	// atOnce creations are under way at most.
	atOnce = 16
)

// slowAlerts is an API server that creates nothing until the gate is open, and then
// answers as many creations together as there can be, so that their order is that of
// the pipeline and not of the scheduler.
type slowAlerts struct {
	*fakeAlerts
	gate chan struct{}

	mu       sync.Mutex
	held     int
	answered chan struct{}
	order    []v1alpha1.Severity
}

func (s *slowAlerts) Create(ctx context.Context, alert *v1alpha1.Alert) error {
	select {
	case <-s.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-s.hold(alert.Spec.Severity)
	return s.fakeAlerts.Create(ctx, alert)
}

// hold returns what is closed once no further creation can come before an answer.
func (s *slowAlerts) hold(severity v1alpha1.Severity) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = append(s.order, severity)
	if s.held++; s.answered == nil {
		s.answered = make(chan struct{})
	}
	answered := s.answered
	if s.held == atOnce || len(s.order) == lows+1 {
		close(answered)
		s.held, s.answered = 0, nil
	}
	return answered
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
	if place := slices.Index(held.order, v1alpha1.SeverityCritical); place < 0 || place >= 2*atOnce {
		t.Errorf("%d of %d alerts were created before the worst, want fewer than %d", place, len(held.order), 2*atOnce)
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
