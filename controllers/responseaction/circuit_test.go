package responseaction_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
)

func TestAToolThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "label")
	for range 5 {
		w.tool.At(fake.AtPlan, func() error { return connectors.ErrUnavailable })
		if _, err := w.pass("act"); !errors.Is(err, connectors.ErrUnavailable) {
			t.Fatalf("error is %v", err)
		}
	}
	calls := len(w.tool.Calls())
	result, err := w.pass("act")
	if err != nil || result.RequeueAfter != 10*time.Second {
		t.Errorf("looks again after %s, %v", result.RequeueAfter, err)
	}
	w.expect(w.get("act"), v1alpha1.ReasonUnavailable, "Connector tool: not called: it did not answer 5 calls in a row")
	if len(w.tool.Calls()) != calls || w.log.types() != "" {
		t.Errorf("%d more calls, log %q", len(w.tool.Calls())-calls, w.log.types())
	}
	w.registry.Delete(w.namespace, "tool") // as if its time were over
	w.registry.Set(w.namespace, "tool", w.tool)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}
