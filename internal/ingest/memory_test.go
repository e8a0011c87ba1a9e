package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
)

// TestMemoryCountsOnce: whether the position or the snapshot is the older one when the
// process dies, each event counts once, and so does each alert that it makes.
func TestMemoryCountsOnce(t *testing.T) {
	const events = 6
	message := func(i int) string {
		list := ""
		for _, id := range []string{"a", "b"} {
			at := start.Add(time.Duration(i-events) * time.Hour).Format(time.RFC3339)
			list += fmt.Sprintf(`,{"auditID":"%d%s","stage":"ResponseComplete","verb":"list","objectRef":{"resource":"pods","namespace":"shop"},"user":{"username":"u"},"requestReceivedTimestamp":%q}`, i, id, at)
		}
		return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + list[1:] + `]}`
	}
	listed := []v1alpha1.AlertSpec{{Rule: "listed", Attributes: map[string]string{"user": "u", "namespace": "shop"}}}
	tests := map[string]struct {
		// snapshot is taken after so many messages; position is how many had their effect.
		snapshot int
		position uint64
	}{
		"a snapshot, then a crash before the position": {snapshot: 4, position: 2},
		"a position, then a crash before the snapshot": {snapshot: 2, position: 4},
		"both of the same message":                     {snapshot: 4, position: 4},
		"no snapshot":                                  {position: 4},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, source("audit", v1alpha1.FormatKubernetesAudit))
			s := w.open(t)
			saw := &witness{memory: activity.New(activity.DefaultLimits), specs: listed}
			var kept []byte
			for i := range 4 {
				w.lead(t, s, saw, processed(t, s, publish(t, s, "audit", message(i))))
				saw.memory = restarted(t, snapshotOf(t, saw.memory))
				if i+1 == test.snapshot {
					kept = snapshotOf(t, saw.memory)
				}
			}
			if err := s.SetProcessed(t.Context(), test.position); err != nil {
				t.Fatal(err)
			}
			s.Close()

			s = w.open(t)
			again := &witness{memory: restarted(t, kept), specs: listed}
			for i := 4; i < events; i++ {
				publish(t, s, "audit", message(i))
			}
			w.lead(t, s, again, func() bool { raw, _ := again.recorded(); return len(raw) == 2*events })
			later := start.Add(100 * time.Hour)
			done := again.memory.Novelty("shop", "u", "list", "pods", "shop", later).Familiarity
			firing := activity.Firing{Source: "audit", Rule: "listed", Actor: "u", Namespace: "shop"}
			fired, _ := again.memory.Recurrence("shop", firing, later)
			for what, f := range map[string]activity.Familiarity{"done": done, "fired": fired} {
				if f.Count != 2*events || f.Hours != events {
					t.Errorf("%s %d times in %d hours, want %d in %d", what, f.Count, f.Hours, 2*events, events)
				}
			}
		})
	}
}

func snapshotOf(t *testing.T, m *activity.Memory) []byte {
	t.Helper()
	raw, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// restarted is memory as a new process has it.
func restarted(t *testing.T, snapshot []byte) *activity.Memory {
	t.Helper()
	m := activity.New(activity.DefaultLimits)
	if snapshot == nil {
		return m
	}
	if err := m.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	return m
}
