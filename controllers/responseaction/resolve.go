package responseaction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// connectorRetry is how soon to look again for a Connector that is still being made ready.
const connectorRetry = 500 * time.Millisecond

// errNotYet is wrapped by what may come true without a change of the action.
var errNotYet = errors.New("not yet")

// kept is what status.inverse holds: everything that undoing needs, so that it
// works whatever becomes of the action that it was kept for.
type kept struct {
	Connector string `json:"connector"`
	connectors.Inverse
}

// resolve finds the connector and the operation that the action asks for, and checks the arguments.
type resolve struct {
	reader     client.Reader
	connectors Connectors
}

func (s resolve) take(ctx context.Context, r *run) (next, error) {
	job, refusal, err := s.job(ctx, r.action)
	if err != nil {
		return halt, err
	}
	if refusal == nil {
		r.job = job
		return proceed, nil
	}
	if errors.Is(refusal.err, errNotYet) {
		r.wait(refusal.reason, refusal.err.Error())
		return lookAgain(connectorRetry), nil
	}
	r.stall(refusal.reason, refusal.err.Error())
	return halt, nil
}

// refusal is why an action cannot be planned.
type refusal struct {
	reason string
	err    error
}

func refuse(reason, format string, args ...any) *refusal {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

func (s resolve) job(ctx context.Context, action *v1alpha1.ResponseAction) (job, *refusal, error) {
	j := job{request: connectors.Request{Key: string(action.UID)}}
	field, arguments := "spec.use", action.Spec.Use
	if action.Spec.Undo != "" {
		field = "spec.undo"
		undoes, use, refused, err := s.inverse(ctx, action)
		if refused != nil || err != nil {
			return j, refused, err
		}
		j.undoes, arguments = undoes, use
	}
	if arguments == nil {
		return j, refuse(v1alpha1.ReasonInvalidSpec, "spec: one of use and undo must be set"), nil
	}
	refused, err := s.connector(ctx, action.Namespace, field, arguments, &j)
	if refused != nil || err != nil {
		return j, refused, err
	}
	return j, bind(field, arguments, &j), nil
}

// inverse returns the action to take back, and its inverse as a request.
func (s resolve) inverse(ctx context.Context, action *v1alpha1.ResponseAction) (*v1alpha1.ResponseAction, *v1alpha1.ActionUse, *refusal, error) {
	name := action.Spec.Undo
	undoes := &v1alpha1.ResponseAction{}
	err := s.reader.Get(ctx, types.NamespacedName{Namespace: action.Namespace, Name: name}, undoes)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil, refuse(v1alpha1.ReasonInvalidSpec, "spec.undo: there is no ResponseAction %s in namespace %s", name, action.Namespace), nil
	case err != nil:
		return nil, nil, nil, fmt.Errorf("spec.undo: %w", err)
	case undoes.Status.UndoneBy != "" && undoes.Status.UndoneBy != action.Name:
		return nil, nil, refuse(v1alpha1.ReasonInvalidSpec, "spec.undo: %s was already undone by %s", name, undoes.Status.UndoneBy), nil
	case !response.Settled(undoes):
		return nil, nil, refuse(v1alpha1.ReasonPlanning, "spec.undo: %s is not done (%s): %w", name, response.Standing(undoes), errNotYet), nil
	case !response.MayHaveDone(undoes):
		return nil, nil, refuse(v1alpha1.ReasonInvalidSpec, "spec.undo: %s did not succeed (%s), so there is nothing to take back", name, response.Standing(undoes)), nil
	case undoes.Status.Inverse == nil:
		return nil, nil, refuse(v1alpha1.ReasonInvalidSpec, "spec.undo: %s cannot be undone: its operation has no inverse", name), nil
	}
	var inverse kept
	if err := json.Unmarshal(undoes.Status.Inverse.Raw, &inverse); err != nil {
		return nil, nil, refuse(v1alpha1.ReasonInvalidSpec, "spec.undo: status.inverse of %s: %w", name, err), nil
	}
	use := &v1alpha1.ActionUse{Connector: inverse.Connector, Operation: inverse.Operation, With: &runtime.RawExtension{Raw: inverse.Arguments}}
	return undoes, use, nil, nil
}

func (s resolve) connector(ctx context.Context, namespace, field string, use *v1alpha1.ActionUse, j *job) (*refusal, error) {
	j.connector = use.Connector
	found, err := s.connectors.Get(namespace, use.Connector)
	if err != nil {
		return s.absent(ctx, namespace, field, use.Connector, err)
	}
	responder, ok := found.(connectors.Responder)
	if !ok {
		return refuse(v1alpha1.ReasonInvalidSpec, "%s.connector: %s answers questions only; name one that acts", field, use.Connector), nil
	}
	if j.operation, err = connectors.Find(responder, use.Operation); err != nil {
		return refuse(v1alpha1.ReasonUnknownOperation, "%s.operation: %w", field, err), nil
	}
	j.responder = responder
	return nil, nil
}

// absent tells a Connector that nobody configured from one that is not ready yet,
// as all are for a moment after the operator starts.
func (s resolve) absent(ctx context.Context, namespace, field, name string, why error) (*refusal, error) {
	err := s.reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &v1alpha1.Connector{})
	switch {
	case apierrors.IsNotFound(err):
		return refuse(v1alpha1.ReasonUnknownOperation, "%s.connector: %w", field, why), nil
	case err != nil:
		return nil, fmt.Errorf("%s.connector: %w", field, err)
	}
	return refuse(v1alpha1.ReasonUnavailable, "%s.connector: Connector %s is not ready: %w", field, name, errNotYet), nil
}

// bind checks that the operation may be asked for like this, and its arguments.
func bind(field string, use *v1alpha1.ActionUse, j *job) *refusal {
	switch {
	case j.operation.Mode != v1alpha1.OperationWrite:
		return refuse(v1alpha1.ReasonInvalidSpec, "%s.operation: %s is a question; an action needs an operation of mode Write", field, use.Operation)
	case j.operation.InverseOnly && j.undoes == nil:
		return refuse(v1alpha1.ReasonInvalidSpec, "%s.operation: %s only takes back another action; set spec.undo to that action's name instead", field, use.Operation)
	}
	arguments := map[string]any{}
	if use.With != nil && len(use.With.Raw) > 0 {
		if err := json.Unmarshal(use.With.Raw, &arguments); err != nil {
			return refuse(v1alpha1.ReasonInvalidSpec, "%s.with: must be an object: %w", field, err)
		}
	}
	if err := j.operation.ValidateArguments(arguments); err != nil {
		return refuse(v1alpha1.ReasonInvalidSpec, "%s.with: %w", field, err)
	}
	j.request.Operation, j.request.Arguments = use.Operation, arguments
	return nil
}
