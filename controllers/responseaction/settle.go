package responseaction

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// undoRetry is how soon to look whether somebody else's undo came about.
const undoRetry = time.Minute

// settle follows up on an action that has ended: it marks the action that it took
// back, and takes itself back once its time is over.
type settle struct {
	client client.Client
	store  *store
}

func (s settle) take(ctx context.Context, r *run) (next, error) {
	if !response.Settled(r.action) {
		return proceed, nil
	}
	if err := s.undone(ctx, r); err != nil {
		return halt, err
	}
	return s.undoAfter(ctx, r)
}

// undone marks the action that this one took back.
func (s settle) undone(ctx context.Context, r *run) error {
	if r.action.Spec.Undo == "" || !done(r.action) {
		return nil
	}
	original := &v1alpha1.ResponseAction{}
	key := types.NamespacedName{Namespace: r.action.Namespace, Name: r.action.Spec.Undo}
	if err := s.client.Get(ctx, key, original); err != nil {
		return client.IgnoreNotFound(err)
	}
	if s.store.behind(original) {
		return errStale
	}
	if original.Status.UndoneBy != "" || !tookBack(r.action, original) {
		return nil
	}
	back := newRun(original, r.now)
	message := "undone by " + r.action.Name
	back.status().UndoneBy = r.action.Name
	back.mark(v1alpha1.ConditionUndone, true, v1alpha1.ReasonUndone, message)
	conditions.Ready(&back.status().Conditions, original.Generation, v1alpha1.ReasonUndone, message)
	return s.store.save(ctx, back)
}

// tookBack: the action had ended when the undo did. One that did later has only the name of what was taken back.
func tookBack(undo, action *v1alpha1.ResponseAction) bool {
	ended := action.Status.Result
	return ended != nil && !ended.FinishedAt.After(undo.Status.Result.FinishedAt.Time)
}

func (s settle) undoAfter(ctx context.Context, r *run) (next, error) {
	after, status := r.action.Spec.UndoAfter, r.status()
	if after == nil || status.UndoneBy != "" || status.Inverse == nil || status.Result == nil || status.Result.Outcome != v1alpha1.OutcomeSucceeded {
		return halt, nil
	}
	if left := status.Result.FinishedAt.Add(after.Duration).Sub(r.now); left > 0 {
		return lookAgain(left), nil
	}
	return s.create(ctx, r.action, undoOf(r.action))
}

// create is idempotent by the name. Another action of that name is an error that
// is said again until it is gone, since without it nothing takes the effect back.
func (s settle) create(ctx context.Context, action, undo *v1alpha1.ResponseAction) (next, error) {
	existing := &v1alpha1.ResponseAction{}
	err := s.client.Get(ctx, client.ObjectKeyFromObject(undo), existing)
	if apierrors.IsNotFound(err) {
		err = s.client.Create(ctx, undo)
		if apierrors.IsAlreadyExists(err) {
			return halt, nil // by an earlier pass; the cache will show it
		}
	}
	if err != nil {
		return halt, fmt.Errorf("create %s: %w", undo.Name, err)
	}
	switch {
	case existing.Name == "":
	case existing.Spec.Undo != undo.Spec.Undo:
		return halt, fmt.Errorf("spec.undoAfter: ResponseAction %s exists and does not undo %s: delete it", undo.Name, undo.Spec.Undo)
	case existing.Spec.RequestedBy == undo.Spec.RequestedBy && !existing.CreationTimestamp.Before(&action.CreationTimestamp):
	case response.Settled(existing):
		return halt, fmt.Errorf("spec.undoAfter: ResponseAction %s exists, ended as %s and did not undo %s: delete it", undo.Name, response.Standing(existing), undo.Spec.Undo)
	default:
		return lookAgain(undoRetry), nil
	}
	return halt, nil
}

// undoOf is the action that takes an action back when its time is over.
func undoOf(action *v1alpha1.ResponseAction) *v1alpha1.ResponseAction {
	undo := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: action.Namespace, Name: shorten.Name(action.Name, maxName-len(undoSuffix)) + undoSuffix},
		Spec: v1alpha1.ResponseActionSpec{
			Undo:          action.Name,
			Investigation: action.Spec.Investigation,
			Reason:        fmt.Sprintf("spec.undoAfter of %s (%s) is over", action.Name, action.Spec.UndoAfter.Duration),
			RequestedBy:   response.UndoRequester(action.Name),
		},
	}
	if name, labelled := action.Labels[v1alpha1.LabelInvestigation]; labelled {
		undo.Labels = map[string]string{v1alpha1.LabelInvestigation: name}
	}
	return undo
}

const (
	undoSuffix = "-undo"
	maxName    = 253
)

// done: its effect is there, whether it had to be made or not.
func done(action *v1alpha1.ResponseAction) bool {
	result := action.Status.Result
	return result != nil && (result.Outcome == v1alpha1.OutcomeSucceeded || result.Outcome == v1alpha1.OutcomeSkipped)
}
