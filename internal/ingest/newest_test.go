package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// newest is what the metric says, in time since start.
func (w *world) newest(t *testing.T) map[string]time.Duration {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]time.Duration{}
	for _, family := range families {
		if family.GetName() != "tocsin_ingest_newest_event_timestamp_seconds" {
			continue
		}
		for _, metric := range family.Metric {
			at := time.UnixMicro(int64(metric.GetGauge().GetValue() * 1e6))
			found[metric.Label[0].GetValue()+"/"+metric.Label[1].GetValue()] = at.Sub(start).Round(time.Millisecond)
		}
	}
	return found
}

func TestPipelineTellsTheNewestEvent(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco), source("audit", v1alpha1.FormatKubernetesAudit), source("silent", v1alpha1.FormatFalco))
	s := w.open(t)
	publish(t, s, "falco", shell("web-0", time.Minute))
	publish(t, s, "falco", "["+shell("web-0", 3*time.Minute)+","+shell("web-1", 2*time.Minute)+"]")
	publish(t, s, "falco", shell("web-0", 0))
	last := publish(t, s, "audit", fmt.Sprintf(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"a","user":{"username":"alice"},"verb":"get","stage":"ResponseComplete","requestReceivedTimestamp":%q}]}`,
		start.Add(time.Second).Format(time.RFC3339Nano)))
	want := map[string]time.Duration{"shop/falco": 3 * time.Minute, "shop/audit": time.Second}
	w.lead(t, s, &witness{}, processed(t, s, last))
	if diff := cmp.Diff(want, w.newest(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// A process that starts again knows it from what is retained, and forgets a source that goes.
	deleted := false
	w.lead(t, s, &witness{}, func() bool {
		if deleted {
			return len(w.newest(t)) == 1
		}
		if deleted = cmp.Equal(want, w.newest(t)); deleted {
			if err := w.sources.Delete(t.Context(), source("audit", v1alpha1.FormatKubernetesAudit)); err != nil {
				t.Fatal(err)
			}
		}
		return false
	})
	if diff := cmp.Diff(map[string]time.Duration{"shop/falco": 3 * time.Minute}, w.newest(t)); diff != "" {
		t.Errorf("of a source that is gone (-want +got):\n%s", diff)
	}
}

// A clock that is ahead would hide for some time that nothing comes any more.
func TestPipelineTellsNoEventOfTheFuture(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	ahead := time.Now().Add(4 * time.Minute)
	last := publish(t, s, "falco", shell("web-0", ahead.Sub(start)))
	w.lead(t, s, &witness{}, processed(t, s, last))
	if got := w.newest(t)["shop/falco"]; got <= 0 || !start.Add(got).Before(ahead.Add(-time.Minute)) {
		t.Errorf("the newest event happened at %s, which is not when it was received", start.Add(got))
	}
}
