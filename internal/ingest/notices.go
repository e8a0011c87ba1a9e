package ingest

import (
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

// maxNote is how long a Kubernetes event's note may be, in bytes; the rest of the reason is in the log.
const maxNote = 900

// notices tells people of dead letters, not more than a few a minute for a source.
type notices struct {
	events   Events
	limiters map[types.UID]*rate.Limiter
}

func newNotices(events Events) notices {
	return notices{events: events, limiters: map[types.UID]*rate.Limiter{}}
}

// deadLetter says nothing of a source that is gone.
func (n notices) deadLetter(source *v1alpha1.AlertSource, letter stream.DeadLetter, now time.Time) {
	if source == nil {
		return
	}
	limiter := n.limiters[source.UID]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(time.Minute), 3)
		n.limiters[source.UID] = limiter
	}
	if !limiter.AllowN(now, 1) {
		return
	}
	n.events.Eventf(source, nil, corev1.EventTypeWarning, "DeadLetter", "Ingest",
		"an event had no effect and was put aside (%s, %s): %.*s", letter.Class, letter.Origin, maxNote/4, letter.Reason)
}
