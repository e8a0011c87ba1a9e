package responseaction

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// guard keeps the action off what must not be touched. It is taken twice: before
// people are asked, and with those who approved.
type guard struct {
	reader client.Reader
	rails  response.Rails
}

func (s guard) take(ctx context.Context, r *run) (next, error) {
	subject := response.Subject{Target: r.status().Plan.Target}
	if r.plan != nil {
		subject.Affects, subject.Grants = r.plan.Affects, r.plan.Grants
	}
	for _, a := range r.status().Approvals {
		subject.Approvers = append(subject.Approvers, a.Approver)
	}
	rail := s.rails.Refuse(subject)
	if rail == "" {
		return proceed, nil
	}
	named, err := s.named(ctx, r)
	if err != nil {
		return halt, err
	}
	subject.Named = named
	if rail = s.rails.Refuse(subject); rail == "" {
		return proceed, nil
	}
	r.mark(v1alpha1.ConditionAuthorized, false, v1alpha1.ReasonGuardRail, "")
	r.stall(v1alpha1.ReasonGuardRail, rail)
	return halt, nil
}

// named: a policy that is in force lists the target's namespace and said that the
// action may run or wait. Reasons begin with the name of the policy that gives them.
func (s guard) named(ctx context.Context, r *run) (bool, error) {
	decision := r.status().Decision
	if decision.Outcome == v1alpha1.DecisionDeny {
		return false, nil
	}
	namespace := response.NamespaceOf(r.status().Plan.Target)
	for _, name := range decision.Policies {
		var p v1alpha1.ApprovalPolicy
		if !slices.ContainsFunc(decision.Reasons, func(reason string) bool { return strings.HasPrefix(reason, name+": ") }) {
			continue
		}
		err := s.reader.Get(ctx, types.NamespacedName{Namespace: r.action.Namespace, Name: name}, &p)
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("policy %s: %w", name, err)
		}
		if err != nil || !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady) {
			continue
		}
		if p.Spec.Scope != nil && slices.Contains(p.Spec.Scope.TargetNamespaces, namespace) {
			return true, nil
		}
	}
	return false, nil
}

// stop holds the action while a stop switch is set.
type stop struct {
	reader client.Reader
	// operator is the operator's own namespace, whose switch stops everything.
	operator string
}

func (s stop) take(ctx context.Context, r *run) (next, error) {
	for _, name := range []string{s.operator, r.action.Namespace, response.NamespaceOf(r.status().Plan.Target)} {
		if name == "" {
			continue
		}
		var namespace corev1.Namespace
		err := s.reader.Get(ctx, types.NamespacedName{Name: name}, &namespace)
		if apierrors.IsNotFound(err) {
			continue // nothing can be annotated that is not there
		}
		if err != nil {
			return halt, fmt.Errorf("stop switch of namespace %s: %w", name, err)
		}
		if response.Stopped(namespace.Annotations) {
			r.wait(v1alpha1.ReasonStopped, fmt.Sprintf("Namespace %s is annotated %s: kubectl annotate namespace %s %s- lets it go on", name, v1alpha1.AnnotationStop, name, v1alpha1.AnnotationStop))
			return halt, nil
		}
	}
	return proceed, nil
}
