package responseaction

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const fieldUndo = "spec.undo"

// watch tells which actions may get further when something else changes.
type watch struct {
	reader client.Reader
	// operator is the operator's own namespace, whose policies speak of everybody's actions.
	operator string
}

// approval wakes the action that it is for.
func (w watch) approval(_ context.Context, o client.Object) []reconcile.Request {
	a, ok := o.(*v1alpha1.Approval)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: a.Namespace, Name: a.Spec.Action}}}
}

// action wakes those that wait for it: later ones of its case, those that depend on its end, those that
// take it back, and the one that it captures evidence for.
func (w watch) action(ctx context.Context, o client.Object) []reconcile.Request {
	a, ok := o.(*v1alpha1.ResponseAction)
	if !ok || (!response.Settled(a) && !response.Stalled(a)) {
		return nil
	}
	requests := w.which(ctx, func(v *v1alpha1.ResponseAction) bool { return v.Spec.Undo == a.Name },
		client.InNamespace(a.Namespace), client.MatchingFields{fieldUndo: a.Name})
	requests = append(requests, w.which(ctx, func(*v1alpha1.ResponseAction) bool { return true },
		client.InNamespace(a.Namespace), client.MatchingFields{fieldAfter: a.Name})...)
	if destroyer := response.CapturesFor(a.Spec.RequestedBy); destroyer != "" {
		return append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: a.Namespace, Name: destroyer}})
	}
	if a.Spec.Investigation == "" {
		return requests
	}
	return append(requests, w.which(ctx, func(v *v1alpha1.ResponseAction) bool { return v.Spec.Order > a.Spec.Order },
		client.InNamespace(a.Namespace), client.MatchingFields{fieldInvestigation: a.Spec.Investigation})...)
}

// namespace wakes what a stop switch holds; the operator's own namespace holds everything.
func (w watch) namespace(ctx context.Context, _ client.Object) []reconcile.Request {
	return w.which(ctx, func(v *v1alpha1.ResponseAction) bool { return response.Standing(v) == v1alpha1.ReasonStopped })
}

// connector wakes what could not be planned with it, or stopped on the way when it was gone: also what
// had begun, whose outcome only it can tell.
func (w watch) connector(ctx context.Context, o client.Object) []reconcile.Request {
	return w.which(ctx, func(v *v1alpha1.ResponseAction) bool {
		lost := v.Status.Plan == nil || response.Standing(v) == v1alpha1.ReasonUnknownOperation
		return lost && (v.Spec.Use == nil || v.Spec.Use.Connector == o.GetName())
	}, client.InNamespace(o.GetNamespace()))
}

// policy wakes what waits for people: it may have to wait no longer, or for others.
func (w watch) policy(ctx context.Context, o client.Object) []reconcile.Request {
	namespace := o.GetNamespace()
	if namespace == w.operator {
		namespace = ""
	}
	return w.which(ctx, func(v *v1alpha1.ResponseAction) bool {
		return response.Standing(v) == v1alpha1.ReasonWaitingForApproval
	}, client.InNamespace(namespace))
}

// which lists the actions that are not settled and wait for what has changed.
func (w watch) which(ctx context.Context, waits func(*v1alpha1.ResponseAction) bool, options ...client.ListOption) []reconcile.Request {
	var actions v1alpha1.ResponseActionList
	if err := w.reader.List(ctx, &actions, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		log.FromContext(ctx).Error(err, "Cannot list actions; those that wait are not woken")
		return nil
	}
	var requests []reconcile.Request
	for i := range actions.Items {
		if a := &actions.Items[i]; !response.Settled(a) && waits(a) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(a)})
		}
	}
	return requests
}
