package activity

import (
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

const (
	maxChanges  = 16
	maxSessions = 16
)

// actor is what is remembered of a user, beside its events and when it was active.
type actor struct {
	rate rate
	// changes of workloads that the API server accepted, the latest last.
	changes []change
	// sessions whose beginning was counted, by audit ID.
	sessions []string
	// address of its latest request, and what it tells of its origin.
	address string
	facets  []string
}

type change struct {
	at                  time.Time
	namespace, workload string
}

// isEndOf says whether the event ends a session or watch whose beginning was counted.
func (a *actor) isEndOf(e auditevent.Event) bool {
	if e.ID == "" {
		return false
	}
	if e.Stage == "ResponseStarted" {
		a.sessions = appendBounded(a.sessions, e.ID, maxSessions)
		return false
	}
	i := slices.Index(a.sessions, e.ID)
	if i < 0 {
		return false
	}
	a.sessions = slices.Delete(a.sessions, i, i+1)
	return true
}

func (a *actor) saw(e auditevent.Event, at time.Time) {
	if w := changedWorkload(e); w != "" {
		a.changes = appendBounded(a.changes, change{at: at, namespace: e.Object.Namespace, workload: w}, maxChanges)
	}
}

var changeVerbs = []string{"create", "update", "patch"}

// changedWorkload is Kind/name if the event is an accepted change of a workload itself.
func changedWorkload(e auditevent.Event) string {
	kind := e.Object.WorkloadKind()
	if !slices.Contains(changeVerbs, e.Verb) || kind == "" || e.Object.Subresource != "" || e.Object.Name == "" || e.Code < 200 || e.Code > 299 {
		return ""
	}
	return kind + "/" + e.Object.Name
}

func appendBounded[T any](list []T, item T, limit int) []T {
	if len(list) == limit {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, item)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
