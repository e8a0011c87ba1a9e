// Package configuration reconciles the kinds that people write and the operator
// only checks: compile, keep what compiled, say in conditions what did not.
package configuration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
)

// Object is a kind whose status is a ConfigurationStatus.
type Object interface {
	client.Object
	Configuration() *v1alpha1.ConfigurationStatus
}

// refusal is why a spec is not in force.
type refusal struct {
	reason string
	final  bool
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Reject refuses a spec until somebody changes it. The reason is a constant of
// the API; the error names the field and what was expected.
func Reject(reason string, err error) error { return &refusal{reason: reason, final: true, err: err} }

// Await refuses a spec until something outside it changes; it is checked again.
func Await(reason string, err error) error { return &refusal{reason: reason, err: err} }

// SpecChanges leaves out events that only changed a status.
func SpecChanges() builder.ForOption {
	return builder.WithPredicates(predicate.GenerationChangedPredicate{})
}

// Checker compiles one kind and keeps what is in force.
type Checker[T Object] interface {
	// Check puts the object in force and says so in a message, or returns Reject,
	// Await, or any other error, which is tried again as unavailable.
	Check(ctx context.Context, object T) (message string, err error)
	// Forget takes a deleted object out of force.
	Forget(key types.NamespacedName)
}

// Reconciler runs a Checker and writes the conditions when they change.
type Reconciler[T Object] struct {
	Client  client.Client
	Checker Checker[T]
	// New returns an empty object.
	New func() T
	// Every checks again after this time, for what depends on the outside; 0 for never.
	Every time.Duration
	// Seen hears of each object that was checked; nil if nobody waits for that.
	Seen *Seen
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler[T]) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	object := r.New()
	if err := r.Client.Get(ctx, request.NamespacedName, object); err != nil {
		if apierrors.IsNotFound(err) {
			r.Checker.Forget(request.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := object.DeepCopyObject().(T)
	message, err := r.Checker.Check(ctx, object)
	r.Seen.mark(request.NamespacedName)
	retry := describe(object, message, err)
	if !equality.Semantic.DeepEqual(before, object) {
		if err := r.Client.Status().Patch(ctx, object, client.MergeFrom(before)); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
	}
	return reconcile.Result{RequeueAfter: r.Every}, retry
}

// describe sets the conditions and returns the error if it is worth another try.
func describe(object Object, message string, err error) error {
	status, generation := object.Configuration(), object.GetGeneration()
	status.ObservedGeneration = generation
	var refused *refusal
	switch {
	case err == nil:
		conditions.Ready(&status.Conditions, generation, v1alpha1.ReasonAccepted, message)
		return nil
	case errors.As(err, &refused) && refused.final:
		conditions.Stalled(&status.Conditions, generation, refused.reason, refused.Error())
		return nil
	case errors.As(err, &refused):
		conditions.NotReady(&status.Conditions, generation, refused.reason, refused.Error())
	default:
		conditions.NotReady(&status.Conditions, generation, v1alpha1.ReasonUnavailable, err.Error())
	}
	return fmt.Errorf("check %s: %w", client.ObjectKeyFromObject(object), err)
}
