package responseaction

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
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
	spec, p := r.action.Spec, r.status().Plan
	in := policy.Input{
		Action: policy.Action{
			Name: r.action.Name, Namespace: r.action.Namespace,
			Connector: r.job.connector, Operation: r.job.request.Operation, Arguments: r.job.request.Arguments,
			Risk: p.Risk, Undo: p.Undo,
			RequestedBy: spec.RequestedBy, Reason: spec.Reason, Investigation: spec.Investigation,
		},
		Plan: policy.Plan{Digest: p.Digest, Summary: p.Summary, Target: policy.PlanTarget(p.Target), Warnings: p.Warnings},
		Time: policy.NewTime(r.now),
	}
	if err := s.surroundings(ctx, r, &in); err != nil {
		return in, err
	}
	if spec.Investigation == "" {
		return in, nil
	}
	c, err := merged.Root(ctx, s.reader, types.NamespacedName{Namespace: r.action.Namespace, Name: spec.Investigation})
	if apierrors.IsNotFound(err) {
		in.Investigation = policy.Investigation{Name: spec.Investigation}
		return in, nil
	}
	if err != nil {
		return in, fmt.Errorf("spec.investigation: %w", err)
	}
	r.investigation = c
	verdict, gradedBy := spoken(c, spec.RequestedBy)
	in.Investigation = policy.Investigation{
		Name: spec.Investigation, Verdict: verdict, GradedBy: gradedBy, ProbabilityPermille: ptr.Deref(c.Status.ProbabilityPermille, 0),
		Severity: c.Status.Severity, Priority: c.Status.Priority, Techniques: c.Status.Techniques, Entities: c.Status.Entities,
	}
	return in, nil
}

// spoken is the verdict that counts for an action, and who gave it if the analyst did
// not. Nobody's own grade speaks for what they ask for: else a policy that trusts a
// verdict would let them act alone.
func spoken(c *v1alpha1.Investigation, requester string) (v1alpha1.Verdict, string) {
	grade := c.Spec.Grade
	switch {
	case grade == nil:
		return c.Status.Verdict, ""
	case grade.By == requester:
		return c.Status.AnalystVerdict, ""
	}
	return c.Status.Verdict, grade.By
}

func (s decide) surroundings(ctx context.Context, r *run, in *policy.Input) error {
	name := response.NamespaceOf(r.status().Plan.Target)
	if name == "" {
		return nil
	}
	var namespace corev1.Namespace
	err := s.reader.Get(ctx, types.NamespacedName{Name: name}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("namespace of the target: %w", err)
	}
	in.Target = policy.Target{NamespaceLabels: namespace.Labels, Criticality: namespace.Labels[v1alpha1.LabelCriticality]}
	return nil
}
