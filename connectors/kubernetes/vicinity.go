package kubernetes

import (
	"cmp"
	"context"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// vicinity is the namespace around what is isolated, listed once for all that is asked of it.
type vicinity struct {
	surroundings
	policies []networkingv1.NetworkPolicy
}

// policyLister lists the policies of a namespace: as they are, or as they lately were.
type policyLister func(ctx context.Context, namespace string) ([]networkingv1.NetworkPolicy, error)

// vicinity reads an object and lists the namespace that it is in, or is, at the
// same time: an attacker has until the last answer.
func (c *cluster) vicinity(ctx context.Context, target v1alpha1.TargetReference, list policyLister) (found *unstructured.Unstructured, v vicinity, err error) {
	var missing error
	var reads errgroup.Group
	reads.Go(func() error {
		found, v.policies, missing = c.amid(ctx, target, list)
		return missing
	})
	reads.Go(func() (err error) {
		v.surroundings, err = c.surroundings(ctx, cmp.Or(target.Namespace, target.Name))
		return err
	})
	err = reads.Wait()
	return found, v, cmp.Or(missing, err)
}

// amid reads an object and the policies around it.
func (c *cluster) amid(ctx context.Context, target v1alpha1.TargetReference, list policyLister) (found *unstructured.Unstructured, policies []networkingv1.NetworkPolicy, err error) {
	var missing error
	var reads errgroup.Group
	reads.Go(func() error {
		found, missing = c.get(ctx, target)
		return missing
	})
	reads.Go(func() (err error) {
		policies, err = list(ctx, cmp.Or(target.Namespace, target.Name))
		return err
	})
	err = reads.Wait()
	return found, policies, cmp.Or(missing, err)
}

// policies as they are, to observe: nothing that allows something may be missing.
func (c *cluster) policies(ctx context.Context, namespace string) ([]networkingv1.NetworkPolicy, error) {
	list := &networkingv1.NetworkPolicyList{}
	err := c.listLatest(ctx, list, namespace)
	return list.Items, c.explain(err, "listing NetworkPolicies of "+namespace)
}

// policiesLately are enough to plan and to answer: a policy can always come a moment later.
func (c *cluster) policiesLately(ctx context.Context, namespace string) ([]networkingv1.NetworkPolicy, error) {
	list := &networkingv1.NetworkPolicyList{}
	err := c.listLately(ctx, list, namespace)
	return list.Items, c.explain(err, "listing NetworkPolicies of "+namespace)
}

// held are the pods that NetworkPolicies apply to.
func held(pods []corev1.Pod) map[types.UID]bool {
	held := map[types.UID]bool{}
	for i := range pods {
		if p := &pods[i]; !p.Spec.HostNetwork {
			held[p.UID] = true
		}
	}
	return held
}
