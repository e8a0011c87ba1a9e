package responseaction

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
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
		subject.Affects, subject.Grants, subject.Touches = r.plan.Affects, r.plan.Grants, r.plan.Touches
	}
	for _, a := range r.status().Approvals {
		subject.Approvers = append(subject.Approvers, a.Approver)
	}
	rail, err := s.refuse(ctx, r, subject)
	for i := 0; r.plan != nil && i < len(r.plan.Shares) && rail == "" && err == nil; i++ {
		rail, err = s.refuse(ctx, r, response.Subject{Target: r.plan.Shares[i].Workload})
	}
	if err != nil || rail == "" {
		return proceed, err
	}
	r.mark(v1alpha1.ConditionAuthorized, false, v1alpha1.ReasonGuardRail, "")
	r.stall(v1alpha1.ReasonGuardRail, rail)
	return halt, nil
}

func (s guard) refuse(ctx context.Context, r *run, subject response.Subject) (string, error) {
	rail := s.rails.Refuse(subject)
	if rail == "" {
		return "", nil
	}
	namespace := response.NamespaceOf(subject.Target)
	var err error
	subject.Named, err = named(ctx, s.reader, r, func(scope *v1alpha1.PolicyScope) bool {
		return slices.Contains(scope.TargetNamespaces, namespace)
	})
	return s.rails.Refuse(subject), err
}

// named: a policy that is in force names with its scope what shall be touched, and said that
// the action may run or wait. Reasons begin with the name of the policy that gives them.
func named(ctx context.Context, reader client.Reader, r *run, names func(*v1alpha1.PolicyScope) bool) (bool, error) {
	decision := r.status().Decision
	if decision.Outcome == v1alpha1.DecisionDeny {
		return false, nil
	}
	for _, name := range decision.Policies {
		var p v1alpha1.ApprovalPolicy
		if strings.Contains(name, "/") {
			continue // policies of the operator's namespace hold tenants back, and lift nothing
		}
		if !slices.ContainsFunc(decision.Reasons, func(reason string) bool { return strings.HasPrefix(reason, name+": ") }) {
			continue
		}
		err := reader.Get(ctx, types.NamespacedName{Namespace: r.action.Namespace, Name: name}, &p)
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("policy %s: %w", name, err)
		}
		if err != nil || !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady) {
			continue
		}
		if p.Spec.Scope != nil && names(p.Spec.Scope) {
			return true, nil
		}
	}
	return false, nil
}

// namespaces whose switch holds the action: also those that it takes pods of.
func (s stop) namespaces(r *run) []string {
	names := []string{s.operator, r.action.Namespace, response.NamespaceOf(r.status().Plan.Target)}
	if r.plan != nil {
		for _, share := range r.plan.Shares {
			names = append(names, share.Workload.Namespace)
		}
		for _, touched := range r.plan.Touches {
			names = append(names, response.NamespaceOf(touched))
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// maxReads at the same time.
const maxReads = 8

// stop holds the action while a stop switch is set.
type stop struct {
	// reader reads past the cache: what begins after a switch is set must not miss it.
	reader client.Reader
	// operator is the operator's own namespace, whose switch stops everything.
	operator string
}

func (s stop) take(ctx context.Context, r *run) (next, error) {
	names := s.namespaces(r)
	stopped := make([]bool, len(names))
	var reads errgroup.Group // at the same time: an attacker has until the last answer
	reads.SetLimit(maxReads)
	for i, name := range names {
		reads.Go(func() (err error) {
			stopped[i], err = s.set(ctx, name)
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return halt, err
	}
	for i, name := range names {
		if stopped[i] {
			r.wait(v1alpha1.ReasonStopped, fmt.Sprintf("Namespace %s is annotated %s: kubectl annotate namespace %s %s- lets it go on", name, v1alpha1.AnnotationStop, name, v1alpha1.AnnotationStop))
			return halt, nil
		}
	}
	return proceed, nil
}

// set says whether the switch of a namespace is set.
func (s stop) set(ctx context.Context, name string) (bool, error) {
	var namespace corev1.Namespace
	err := s.reader.Get(ctx, types.NamespacedName{Name: name}, &namespace)
	if apierrors.IsNotFound(err) {
		return false, nil // nothing can be annotated that is not there
	}
	if err != nil {
		return false, fmt.Errorf("stop switch of namespace %s: %w", name, err)
	}
	return response.Stopped(namespace.Annotations), nil
}
