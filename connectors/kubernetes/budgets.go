package kubernetes

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/connectors"
)

// budgets of a namespace.
type budgets []policyv1.PodDisruptionBudget

func (c *cluster) budgets(ctx context.Context, namespace string) (budgets, error) {
	list := &policyv1.PodDisruptionBudgetList{}
	err := c.List(ctx, list, client.InNamespace(namespace))
	return list.Items, c.explain(err, "listing disruption budgets of namespace "+namespace)
}

// of are those that cover a pod.
func (b budgets) of(p *corev1.Pod) budgets {
	var covering budgets
	for _, budget := range b {
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(p.Labels)) {
			covering = append(covering, budget)
		}
	}
	return covering
}

// warn tells which budgets an eviction or deletion of the pod uses up.
func (b budgets) warn(p *corev1.Pod) []string {
	var warnings []string
	for _, budget := range b.of(p) {
		warnings = append(warnings, fmt.Sprintf("PodDisruptionBudget %s/%s covers pod %s and allows %d disruptions now",
			budget.Namespace, budget.Name, p.Name, budget.Status.DisruptionsAllowed))
	}
	return warnings
}

// evict asks the API server to let a pod go, which asks the pod's budget. A budget in
// the way is ErrBlocked, with its name; a pod that is gone is no error.
func (c *cluster) evict(ctx context.Context, p *corev1.Pod, budgets budgets, options ...client.SubResourceCreateOption) error {
	doing := fmt.Sprintf("evicting pod %s/%s", p.Namespace, p.Name)
	covering := budgets.of(p)
	if len(covering) > 1 {
		// The API server answers that with an error of its own making.
		return fmt.Errorf("%w: %s: PodDisruptionBudgets %s and %s both cover it, and a pod with more than one cannot be evicted",
			connectors.ErrConflict, doing, covering[0].Name, covering[1].Name)
	}
	for _, budget := range covering {
		// The client would wait for that by itself, for longer than anybody looks on.
		if budget.Status.ObservedGeneration < budget.Generation {
			return fmt.Errorf("%w: %s: PodDisruptionBudget %s/%s is new or was changed, and how many disruptions it allows is not known yet",
				connectors.ErrBlocked, doing, budget.Namespace, budget.Name)
		}
	}
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}},
	}
	err := c.SubResource("eviction").Create(ctx, p, eviction, options...)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsTooManyRequests(err) && apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause):
		return fmt.Errorf("%w: %s: %s", connectors.ErrBlocked, doing, budgetCause(err))
	}
	return c.explain(err, doing)
}

// budgetCause is what the API server says of the budget, such as "The disruption
// budget web needs 2 healthy pods and has 2 currently".
func budgetCause(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == policyv1.DisruptionBudgetCause {
				return cause.Message
			}
		}
	}
	return err.Error()
}
