// Package urgency has the worst worked on first: queues hand out what is of a higher
// level before everything else.
package urgency

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Level orders what waits: the highest comes first, and of one level the oldest. What
// has no level waits at 0.
type Level int

// Of a severity, for what is not judged yet.
func Of(s v1alpha1.Severity) Level { return Level(s.Rank()) }

// OfPriority is the level of what is judged: P1 is as urgent as what a sender calls Critical.
func OfPriority(p v1alpha1.Priority) Level {
	switch p {
	case v1alpha1.PriorityP1:
		return Of(v1alpha1.SeverityCritical)
	case v1alpha1.PriorityP2:
		return Of(v1alpha1.SeverityHigh)
	case v1alpha1.PriorityP3:
		return Of(v1alpha1.SeverityMedium)
	}
	return 0
}

// Add puts a request into a controller's queue at a level.
func Add(q workqueue.TypedRateLimitingInterface[reconcile.Request], request reconcile.Request, level Level, after time.Duration) {
	queue, ordered := q.(priorityqueue.PriorityQueue[reconcile.Request])
	if !ordered {
		q.AddAfter(request, after)
		return
	}
	queue.AddWithOpts(priorityqueue.AddOpts{Priority: new(int(level)), After: after}, request)
}

// Handler enqueues what an object concerns, at the level of the object, after a while.
// Unlike handlers of controller-runtime it lets nothing wait for having been there
// before a start: that something is old makes it no less urgent.
func Handler(concerns handler.MapFunc, level func(client.Object) Level, after time.Duration) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	add := func(ctx context.Context, q queue, objects ...client.Object) {
		levels := map[reconcile.Request]Level{}
		for _, o := range objects {
			for _, request := range concerns(ctx, o) {
				if known, twice := levels[request]; !twice || level(o) > known {
					levels[request] = level(o)
				}
			}
		}
		for request, level := range levels {
			Add(q, request, level, after)
		}
	}
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { add(ctx, q, e.Object) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { add(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { add(ctx, q, e.Object) },
		GenericFunc: func(ctx context.Context, e event.GenericEvent, q queue) { add(ctx, q, e.Object) },
	}
}

// Self is what an object itself concerns.
func Self(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

// done is the level of what needs nothing more, so far as is known.
const done Level = handler.LowPriority

// OfAlert is the level of an Alert: until it has its verdict, the severity that it states.
func OfAlert(o client.Object) Level {
	alert := o.(*v1alpha1.Alert)
	if alert.Status.Verdict != "" {
		return done
	}
	return Of(alert.Spec.Severity)
}

// OfCase is the level of an Investigation: its priority, unless a human changed
// something and waits to see the effect, or another case is to take its alerts.
func OfCase(o client.Object) Level {
	c := o.(*v1alpha1.Investigation)
	switch seen := c.Status.ObservedGeneration; {
	case seen != 0 && seen != c.Generation, c.Status.MergedInto != "":
		return OfPriority(v1alpha1.PriorityP1)
	case meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionClosed):
		return done
	}
	return OfPriority(c.Status.Priority)
}
