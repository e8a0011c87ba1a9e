package ingest

import (
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// group is the events of one message that share a fingerprint. They are counted
// together or not at all.
type group struct {
	// spec of the earliest event, and that event's JSON.
	spec   v1alpha1.AlertSpec
	raw    []byte
	events int64
	last   time.Time
	window time.Duration
}

// groups keeps the order in which fingerprints first appear.
func groups(specs []v1alpha1.AlertSpec, window time.Duration) []group {
	var found []group
	index := map[string]int{}
	for _, spec := range specs {
		i, ok := index[spec.Fingerprint]
		if !ok {
			index[spec.Fingerprint] = len(found)
			found = append(found, group{spec: spec, events: 1, last: spec.FirstSeen.Time, window: window})
			continue
		}
		g := &found[i]
		g.events++
		if spec.FirstSeen.Time.Before(g.spec.FirstSeen.Time) {
			g.spec = spec
		}
		if spec.FirstSeen.After(g.last) {
			g.last = spec.FirstSeen.Time
		}
	}
	return found
}
