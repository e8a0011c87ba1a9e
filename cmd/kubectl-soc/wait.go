package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// whoRuns finds the operator, wherever it is installed.
const whoRuns = "is the operator running? (kubectl get pods -A -l app.kubernetes.io/name=tocsin)"

// errImpatient: the operator has not got there in time.
var errImpatient = errors.New("not seen in time")

// until watches one object until it is as wanted. A watch begins with what is there.
func until[T client.Object](ctx context.Context, s *session, list client.ObjectList, name string, wanted func(T) bool) (T, error) {
	var found T
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	seen := func(event watch.Event) (bool, error) {
		object, ok := event.Object.(T)
		switch {
		case event.Type == watch.Error:
			return false, apierrors.FromObject(event.Object)
		case event.Type == watch.Deleted:
			return false, fmt.Errorf("%s was deleted", name)
		case !ok || object.GetName() != name:
			return false, nil
		}
		found = object
		return wanted(object), nil
	}
	for {
		watcher, err := s.Watch(ctx, list, client.InNamespace(s.namespace), client.MatchingFields{"metadata.name": name})
		if err == nil {
			_, err = watchtools.UntilWithoutRetry(ctx, watcher, seen)
		}
		switch {
		case err == nil:
			return found, nil
		case ctx.Err() != nil:
			return found, errImpatient
		case !errors.Is(err, watchtools.ErrWatchClosed):
			return found, plainly(err)
		}
	}
}

// outcome says whether an Approval counts, and what comes of it.
func (c *cli) outcome(ctx context.Context, s *session, created *v1alpha1.Approval) error {
	begin := c.now()
	approval, err := until(ctx, s, &v1alpha1.ApprovalList{}, created.Name, func(a *v1alpha1.Approval) bool { return counted(a) != nil })
	if errors.Is(err, errImpatient) {
		return fmt.Errorf("not counted within %s: %s It stays, and is counted once the operator runs: kubectl get -n %s approval %s",
			s.patience, whoRuns, created.Namespace, created.Name)
	}
	if err != nil {
		return err
	}
	if ruling := counted(approval); ruling.Status != metav1.ConditionTrue {
		return fmt.Errorf("does not count: %s: %s", ruling.Reason, ruling.Message)
	}
	action, err := until(ctx, s, &v1alpha1.ResponseActionList{}, created.Spec.Action, func(a *v1alpha1.ResponseAction) bool { return past(a, created) })
	if action == nil || err != nil && !errors.Is(err, errImpatient) {
		return err
	}
	return c.conclude(action, created, c.now().Sub(begin))
}

func counted(a *v1alpha1.Approval) *metav1.Condition {
	return meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionCounted)
}

// past: the action has taken a decision in, and waits for people again or gets no further.
func past(a *v1alpha1.ResponseAction, approval *v1alpha1.Approval) bool {
	if response.Settled(a) || response.Stalled(a) {
		return true
	}
	for _, c := range a.Status.Approvals {
		if c.Name == approval.Name {
			return story.Waits(a)
		}
	}
	return a.Status.Plan != nil && a.Status.Plan.Digest != approval.Spec.PlanDigest
}

func (c *cli) conclude(a *v1alpha1.ResponseAction, approval *v1alpha1.Approval, took time.Duration) error {
	text := "counted"
	if approval.Spec.Decision == v1alpha1.Approve {
		text = "counted: " + story.Counted(a)
	}
	switch standing := response.Standing(a); {
	case approval.Spec.Decision == v1alpha1.Deny && standing == v1alpha1.ReasonDenied:
		fmt.Fprintf(c.Out, "%s; %s will not run\n", text, story.Plain(a.Name))
	case standing == v1alpha1.ReasonSucceeded, standing == v1alpha1.ReasonSkipped:
		fmt.Fprintf(c.Out, "%s; %s %.1f s later\n", text, story.Standing(a), took.Seconds())
	case response.Settled(a), response.Stalled(a):
		return fmt.Errorf("%s, but: %s", text, story.Standing(a))
	default:
		fmt.Fprintf(c.Out, "%s; %s\n", text, story.Standing(a))
	}
	return nil
}
