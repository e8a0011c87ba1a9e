package urgency

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func alert(name string, severity v1alpha1.Severity) *v1alpha1.Alert {
	return &v1alpha1.Alert{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name}, Spec: v1alpha1.AlertSpec{Severity: severity}}
}

func told(a *v1alpha1.Alert) *v1alpha1.Alert {
	a.Status.Verdict = v1alpha1.Undetermined
	return a
}

func TestTheWorstComesFirst(t *testing.T) {
	q := priorityqueue.New[reconcile.Request]("test")
	defer q.ShutDown()
	h := Handler(Self, OfAlert, 0)
	h.Create(t.Context(), event.CreateEvent{Object: told(alert("told", v1alpha1.SeverityFatal))}, q)
	h.Create(t.Context(), event.CreateEvent{Object: alert("low", v1alpha1.SeverityLow)}, q)
	h.Create(t.Context(), event.CreateEvent{Object: alert("low, next", v1alpha1.SeverityLow)}, q)
	h.Create(t.Context(), event.CreateEvent{Object: alert("high", v1alpha1.SeverityHigh)}, q)
	// What was there before the start is no less urgent.
	h.Create(t.Context(), event.CreateEvent{Object: alert("old", v1alpha1.SeverityCritical), IsInInitialList: true}, q)
	// The verdict that was just told still is of a severe alert.
	h.Update(t.Context(), event.UpdateEvent{ObjectOld: alert("fatal", v1alpha1.SeverityFatal), ObjectNew: told(alert("fatal", v1alpha1.SeverityFatal))}, q)
	var got []string
	for range 6 {
		request, _ := q.Get()
		got = append(got, request.Name)
		q.Done(request)
	}
	if diff := cmp.Diff([]string{"fatal", "old", "high", "low", "low, next", "told"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A request that several objects concern waits at the highest of their levels.
func TestTheHighestLevelCounts(t *testing.T) {
	q := priorityqueue.New[reconcile.Request]("test")
	defer q.ShutDown()
	one := func(context.Context, client.Object) []reconcile.Request { return make([]reconcile.Request, 1) }
	Handler(one, OfAlert, 0).Update(t.Context(), event.UpdateEvent{
		ObjectOld: alert("a", v1alpha1.SeverityHigh), ObjectNew: alert("a", v1alpha1.SeverityLow),
	}, q)
	if _, priority, _ := q.GetWithPriority(); Level(priority) != Of(v1alpha1.SeverityHigh) {
		t.Errorf("level %d, want %d", priority, Of(v1alpha1.SeverityHigh))
	}
}

func TestLevelOfACase(t *testing.T) {
	closed := []metav1.Condition{{Type: v1alpha1.ConditionClosed, Status: metav1.ConditionTrue}}
	tests := map[string]struct {
		generation int64
		status     v1alpha1.InvestigationStatus
		want       Level
	}{
		"new":                    {1, v1alpha1.InvestigationStatus{}, 0},
		"P1":                     {1, v1alpha1.InvestigationStatus{ObservedGeneration: 1, Priority: v1alpha1.PriorityP1}, Of(v1alpha1.SeverityCritical)},
		"P2":                     {1, v1alpha1.InvestigationStatus{ObservedGeneration: 1, Priority: v1alpha1.PriorityP2}, Of(v1alpha1.SeverityHigh)},
		"P3":                     {1, v1alpha1.InvestigationStatus{ObservedGeneration: 1, Priority: v1alpha1.PriorityP3}, Of(v1alpha1.SeverityMedium)},
		"P4":                     {1, v1alpha1.InvestigationStatus{ObservedGeneration: 1, Priority: v1alpha1.PriorityP4}, 0},
		"closed":                 {1, v1alpha1.InvestigationStatus{ObservedGeneration: 1, Priority: v1alpha1.PriorityP1, Conditions: closed}, done},
		"closed, but graded now": {2, v1alpha1.InvestigationStatus{ObservedGeneration: 1, Priority: v1alpha1.PriorityP4, Conditions: closed}, Of(v1alpha1.SeverityCritical)},
		"merged":                 {1, v1alpha1.InvestigationStatus{ObservedGeneration: 1, MergedInto: "older", Conditions: closed}, Of(v1alpha1.SeverityCritical)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := OfCase(&v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Generation: tt.generation}, Status: tt.status}); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}
