package responseaction

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/merged"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// decide asks the policies in every pass: what they say now counts, not what they
// said when the plan was made.
type decide struct {
	reader   client.Reader
	policies Decider
}

func (s decide) take(ctx context.Context, r *run) (next, error) {
	in, err := s.input(ctx, r)
	if err != nil {
		return halt, err
	}
	r.input = &in
	decision := s.policies.Decide(ctx, r.action.Namespace, in)
	r.status().Decision = &decision
	if decision.Outcome == v1alpha1.DecisionDeny {
		r.mark(v1alpha1.ConditionAuthorized, false, v1alpha1.ReasonDenied, "")
		r.stall(v1alpha1.ReasonDenied, shorten.Characters(strings.Join(decision.Reasons, "; "), maxMessage))
		return halt, nil
	}
	return proceed, nil
}

func (s decide) input(ctx context.Context, r *run) (policy.Input, error) {
	spec := r.action.Spec
	facts := policy.Facts{
		Action: r.action, Connector: r.job.connector, Operation: r.job.request.Operation, Arguments: r.job.request.Arguments, Now: r.now,
	}
	var err error
	if facts.NamespaceLabels, err = s.labels(ctx, r); err != nil || spec.Investigation == "" {
		return facts.Input(), err
	}
	c, err := merged.Root(ctx, s.reader, types.NamespacedName{Namespace: r.action.Namespace, Name: spec.Investigation})
	if apierrors.IsNotFound(err) {
		return facts.Input(), nil
	}
	if err != nil {
		return policy.Input{}, fmt.Errorf("spec.investigation: %w", err)
	}
	r.investigation, facts.Investigation = c, c
	return facts.Input(), nil
}

// labels of the target's namespace; none where there is no such namespace.
func (s decide) labels(ctx context.Context, r *run) (map[string]string, error) {
	name := response.NamespaceOf(r.status().Plan.Target)
	if name == "" {
		return nil, nil
	}
	var namespace corev1.Namespace
	err := s.reader.Get(ctx, types.NamespacedName{Name: name}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("namespace of the target: %w", err)
	}
	return namespace.Labels, nil
}
