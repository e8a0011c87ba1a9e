package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// past returns the actions that were decided on, the oldest first, and those that
// cannot be decided on again.
func (r *replay) past(ctx context.Context, s *session) ([]policy.Past, []skipped, error) {
	if r.log != "" {
		return r.logged()
	}
	var actions v1alpha1.ResponseActionList
	var bounds []client.ListOption
	if !r.wide() {
		bounds = append(bounds, client.InNamespace(r.candidates[0].Namespace))
	}
	if err := s.List(ctx, &actions, bounds...); err != nil {
		return nil, nil, plainly(err)
	}
	again := &rebuilt{session: s, cli: r.cli, labels: map[string]map[string]string{}, all: actions.Items}
	var found []policy.Past
	var left []skipped
	for i := range actions.Items {
		a := &actions.Items[i]
		if a.Status.Plan == nil || a.Status.Decision == nil || decidedAt(a).Before(r.since) || !r.concerns(a.Namespace) {
			continue
		}
		in, why, err := again.input(ctx, a)
		if err != nil {
			return nil, nil, err
		}
		if why != "" {
			left = append(left, skipped{Namespace: a.Namespace, Action: a.Name, Why: why})
			continue
		}
		found = append(found, policy.Past{Namespace: a.Namespace, Action: a.Name, Time: decidedAt(a), Decided: a.Status.Decision, Input: in})
	}
	oldestFirst(found)
	return found, left, nil
}

func oldestFirst(past []policy.Past) {
	slices.SortFunc(past, func(a, b policy.Past) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Action, b.Action))
	})
}

// decidedAt is when the decision on an action last counted, as far as its status tells.
func decidedAt(a *v1alpha1.ResponseAction) time.Time {
	if a.Status.Execution != nil {
		return a.Status.Execution.StartedAt.Time
	}
	return a.Status.Plan.PlannedAt.Time
}

// rebuilt makes inputs again from what the API server has.
type rebuilt struct {
	*session
	cli    *cli
	labels map[string]map[string]string
	all    []v1alpha1.ResponseAction
}

// input of an action, or why it cannot be made.
func (m *rebuilt) input(ctx context.Context, a *v1alpha1.ResponseAction) (in policy.Input, why string, err error) {
	facts := policy.Facts{Action: a, Now: decidedAt(a)}
	use, why := m.use(a)
	if why != "" {
		return in, why, nil
	}
	facts.Connector, facts.Operation, facts.Arguments = use.Connector, use.Operation, use.Arguments
	if facts.Investigation, err = m.caseOf(ctx, a); err != nil {
		return in, "", err
	}
	if facts.NamespaceLabels, err = m.labelsOf(ctx, response.NamespaceOf(a.Status.Plan.Target)); err != nil {
		return in, "", err
	}
	return facts.Input(), "", nil
}

// used is an operation with its arguments, as status.inverse keeps it, too.
type used struct {
	Connector string         `json:"connector"`
	Operation string         `json:"operation"`
	Arguments map[string]any `json:"arguments"`
}

func (m *rebuilt) use(a *v1alpha1.ResponseAction) (used, string) {
	u := used{}
	if a.Spec.Use != nil {
		u.Connector, u.Operation = a.Spec.Use.Connector, a.Spec.Use.Operation
		if a.Spec.Use.With != nil && json.Unmarshal(a.Spec.Use.With.Raw, &u.Arguments) != nil {
			return u, "its arguments cannot be read"
		}
		return u, ""
	}
	for _, of := range m.all {
		if of.Namespace == a.Namespace && of.Name == a.Spec.Undo && of.Status.Inverse != nil && json.Unmarshal(of.Status.Inverse.Raw, &u) == nil {
			return u, ""
		}
	}
	return u, fmt.Sprintf("%s, which it takes back, is gone or has no inverse", a.Spec.Undo)
}

// labelsOf a namespace as they are now; none, and a warning, where the caller may not read them.
func (m *rebuilt) labelsOf(ctx context.Context, name string) (map[string]string, error) {
	if known, ok := m.labels[name]; ok || name == "" {
		return known, nil
	}
	var namespace corev1.Namespace
	err := m.Get(ctx, types.NamespacedName{Name: name}, &namespace)
	switch {
	case apierrors.IsForbidden(err):
		fmt.Fprintf(m.cli.ErrOut, "warning: policies are told no labels and no criticality of namespace %s: %v\n", name, plainly(err))
	case client.IgnoreNotFound(err) != nil:
		return nil, plainly(err)
	}
	m.labels[name] = namespace.Labels
	return namespace.Labels, nil
}
