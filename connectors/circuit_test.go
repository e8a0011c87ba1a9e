package connectors_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
)

// line is a connector behind its circuit, as who uses it gets it.
type line struct {
	t        *testing.T
	registry *connectors.Registry
	tool     *fake.Connector
	err      error
	told     int
}

func newLine(t *testing.T) *line {
	l := &line{t: t, registry: connectors.NewRegistry(nil)}
	l.registry.OnCircuit(func(key types.NamespacedName) {
		if key == (types.NamespacedName{Namespace: "soc", Name: "tool"}) {
			l.told++
		}
	})
	l.renew()
	return l
}

// renew makes the connector anew, as each health check does.
func (l *line) renew() {
	l.tool = fake.New().Offer(fake.Action{Name: "label", Risk: v1alpha1.RiskLow}).Answer(fake.Question{Name: "look"})
	l.tool.Put("a", "1")
	for _, p := range []fake.Point{fake.AtPlan, fake.AtAsk, fake.AtCheck, fake.AtObserve} {
		for range 32 {
			l.tool.At(p, func() error { return l.err })
		}
	}
	l.registry.Set("soc", "tool", l.tool)
}

func (l *line) get() connectors.Connector {
	l.t.Helper()
	c, err := l.registry.Get("soc", "tool")
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *line) plan() error {
	_, err := l.get().(connectors.Responder).Plan(l.t.Context(), connectors.Request{Operation: "label", Arguments: map[string]any{"target": "a"}})
	return err
}

func (l *line) plans(n int, err error) {
	l.err = err
	for range n {
		_ = l.plan() // what it returns shows afterwards
	}
	l.err = nil
}

func TestOnlySilenceOpensACircuit(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"unavailable":            {connectors.ErrUnavailable, true},
		"out of time":            {context.DeadlineExceeded, true},
		"the caller went":        {context.Canceled, false},
		"no such target":         {connectors.ErrNotFound, false},
		"forbidden":              {connectors.ErrForbidden, false},
		"a budget is in the way": {connectors.ErrBlocked, false},
		"whatever else":          {errors.New("a webhook failed"), false},
		"it answers":             {nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			l.plans(4, test.err)
			if !l.registry.CircuitClosed("soc", "tool") {
				t.Fatal("open after 4 calls")
			}
			l.plans(2, test.err)
			if open := !l.registry.CircuitClosed("soc", "tool"); open != test.want {
				t.Errorf("open: %t, want %t", open, test.want)
			}
		})
	}
}

func TestAnOpenCircuit(t *testing.T) {
	l := newLine(t)
	l.plans(4, connectors.ErrUnavailable)
	l.plans(1, nil) // one answer, and all begins anew
	l.plans(4, connectors.ErrUnavailable)
	if l.told != 0 || l.plan() != nil {
		t.Fatal("open, though no five in a row went unanswered")
	}
	l.plans(5, connectors.ErrUnavailable)
	if l.told != 1 {
		t.Errorf("told %d times, want once", l.told)
	}
	l.renew()
	if err := l.plan(); !errors.Is(err, connectors.ErrOpen) {
		t.Errorf("a connector made anew is called: %v", err)
	}
	if _, err := l.get().(connectors.Asker).Ask(t.Context(), "look", nil); !errors.Is(err, connectors.ErrOpen) {
		t.Errorf("questions are asked: %v", err)
	}
	if n := len(l.tool.Calls()); n != 0 {
		t.Errorf("%d calls got through", n)
	}
	// What became of an action can always be asked, and the tool whether it works.
	if _, err := l.get().(connectors.Responder).Observe(t.Context(), connectors.Request{Operation: "label", Arguments: map[string]any{"target": "a"}}, v1alpha1.TargetReference{Kind: "Thing", Name: "a", UID: "1"}); err != nil {
		t.Errorf("observe: %v", err)
	}
	if err := l.get().Check(t.Context()); err != nil || l.registry.CircuitClosed("soc", "tool") {
		t.Errorf("check: %v, closed %t", err, l.registry.CircuitClosed("soc", "tool"))
	}
	l.registry.Set("soc", "other", fake.New().Answer(fake.Question{Name: "look"}))
	if !l.registry.CircuitClosed("soc", "other") {
		t.Error("another connector is not called either")
	}
}

func TestAClosedCircuitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.plans(5, connectors.ErrUnavailable)
		time.Sleep(31 * time.Second) // of the bubble
		l.plans(1, connectors.ErrUnavailable)
		if err := l.plan(); !errors.Is(err, connectors.ErrOpen) {
			t.Fatalf("one more silence, and it is called: %v", err)
		}
		time.Sleep(31 * time.Second)
		if err := l.get().Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.plan(); err != nil || !l.registry.CircuitClosed("soc", "tool") {
			t.Errorf("not called though it answers: %v", err)
		}
	})
}

// What a connector cannot do, it cannot do behind a circuit either.
func TestCapabilitiesBehindACircuit(t *testing.T) {
	registry := connectors.NewRegistry(nil)
	full := fake.New()
	tests := map[string]struct {
		connector      connectors.Connector
		asks, responds bool
	}{
		"both":    {full, true, true},
		"asks":    {struct{ connectors.Asker }{full}, true, false},
		"acts":    {struct{ connectors.Responder }{full}, false, true},
		"neither": {struct{ connectors.Connector }{full}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry.Set("soc", name, test.connector)
			got, err := registry.Get("soc", name)
			if err != nil {
				t.Fatal(err)
			}
			_, asks := got.(connectors.Asker)
			_, responds := got.(connectors.Responder)
			if asks != test.asks || responds != test.responds {
				t.Errorf("asks %t, responds %t", asks, responds)
			}
		})
	}
}
