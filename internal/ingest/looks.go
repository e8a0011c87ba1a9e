package ingest

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

const (
	// AttributeLooks on an Alert is LooksVarious if its events do not look alike.
	AttributeLooks = "looks"
	// LooksVarious is also the look of what comes when there are maxLooks.
	LooksVarious = "various"

	// maxLooks of what is otherwise one alert within its window: whoever varies what it does
	// must not flood the cases.
	maxLooks = 8
	// maxLooking is of how many alerts the looks are known. What is forgotten only makes more alerts.
	maxLooking = 16 << 10
)

// looks of alerts by the fingerprint without one, with when a message told each last. Like
// memory, it is made again from the stream after a restart, so that an event that is
// processed again has the fingerprint that it had.
type looks struct {
	known *simplelru.LRU[string, map[string]time.Time]
}

func newLooks() looks {
	known, err := simplelru.NewLRU[string, map[string]time.Time](maxLooking, nil)
	if err != nil { // of a size that is not positive
		panic(err)
	}
	return looks{known: known}
}

// tell makes the look of each alert part of its fingerprint. What has one look too many is
// various together.
func (l looks) tell(specs []v1alpha1.AlertSpec, window time.Duration, received time.Time) {
	for i := range specs {
		spec := &specs[i]
		look := activity.Look(*spec)
		if !l.room(spec.Fingerprint, look, window, received) {
			look = LooksVarious
			decode.Mark(spec, AttributeLooks, LooksVarious)
		}
		spec.Fingerprint = OfLook(spec.Fingerprint, look)
	}
}

// room says whether a look is known or may be one more. Times are those of reception, which
// no sender chooses.
func (l looks) room(fingerprint, look string, window time.Duration, received time.Time) bool {
	seen, ok := l.known.Get(fingerprint)
	if !ok {
		seen = map[string]time.Time{}
		l.known.Add(fingerprint, seen)
	}
	for other, last := range seen {
		if received.After(last.Add(window)) {
			delete(seen, other)
		}
	}
	if _, ok := seen[look]; !ok && len(seen) == maxLooks {
		return false
	}
	seen[look] = received
	return true
}
