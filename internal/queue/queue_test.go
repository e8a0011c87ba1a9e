package queue

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheMostUrgentComesFirst(t *testing.T) {
	var q Queue[string]
	low := q.Push("low", 1)
	q.Push("high", 3)
	q.Push("high, next", 3)
	gone := q.Push("gone", 5)
	raised := q.Push("raised", 0)
	q.Push("raised to, later", 4)
	q.Raise(raised, 4)
	q.Raise(raised, 2) // nothing sinks
	q.Raise(low, 1)
	q.Remove(gone)
	q.Remove(gone)
	q.Raise(gone, 9)
	var got []string
	for q.Len() > 0 {
		got = append(got, q.Pop())
	}
	if diff := cmp.Diff([]string{"raised", "raised to, later", "high", "high, next", "low"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if raised.Waits() || gone.Waits() {
		t.Error("what was taken out passes for waiting")
	}
}
