package kubernetes

import (
	"context"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/kube"
)

// remains is what is left of a cut; nil for gone.
type remains struct {
	policy *networkingv1.NetworkPolicy
	deny   *unstructured.Unstructured
	// excluded are the policies that are still kept off, of exclusions without what another isolation needs.
	excluded   []networkingv1.NetworkPolicy
	exclusions []exclusion
}

func (r remains) count() int {
	n := len(r.excluded)
	if r.policy != nil {
		n++
	}
	if r.deny != nil {
		n++
	}
	return n
}

// parts is how many of a cut that is whole would be lifted.
func (k cut) parts(r remains) int {
	n := 1 + len(r.exclusions)
	if k.deny != "" {
		n++
	}
	return n
}

func (k cut) remains(ctx context.Context, c *cluster) (r remains, err error) {
	if r.policy, err = k.found(ctx, c); err != nil {
		return r, err
	}
	if r.deny, err = k.foundDeny(ctx, c); err != nil {
		return r, err
	}
	if len(k.exclusions) == 0 {
		return r, nil
	}
	var all networkingv1.NetworkPolicyList
	if err := c.listLatest(ctx, &all, k.namespace); err != nil {
		return r, c.explain(err, "listing NetworkPolicies of "+k.namespace)
	}
	needed := putBy(without(all.Items, k.name))
	for _, e := range k.exclusions {
		if e = e.but(needed); len(e.Requirements) == 0 {
			continue
		}
		r.exclusions = append(r.exclusions, e)
		policy := policyNamed(all.Items, e.Policy)
		if policy == nil || string(policy.UID) != e.UID {
			continue
		}
		if _, none := e.there(policy); !none {
			r.excluded = append(r.excluded, *policy)
		}
	}
	return r, nil
}

// tryLift has the API server take away what is left without doing it.
func (k cut) tryLift(ctx context.Context, c *cluster, r remains) (diff string, err error) {
	k.exclusions = r.exclusions
	if diff, err = k.tryExclusions(ctx, c, r.excluded, false); err != nil {
		return "", err
	}
	if r.deny != nil {
		if err := c.Delete(ctx, r.deny, exactly(r.deny.GetUID()), client.DryRunAll); err != nil {
			return "", c.explain(err, "planning to delete "+title(r.deny))
		}
		more, err := kube.Diff(r.deny, nil)
		if err != nil {
			return "", err
		}
		diff += more
	}
	if r.policy == nil {
		return diff, nil
	}
	more, err := c.tryDelete(ctx, r.policy, k.networkPolicy("").TypeMeta)
	return diff + more, err
}

// lift takes away what is left. The other policies come first: what they allowed
// before, they allow before everything is allowed.
func (k cut) lift(ctx context.Context, c *cluster, r remains) (changed bool, err error) {
	for _, e := range r.exclusions {
		now, err := k.set(ctx, c, e, false)
		changed = changed || now
		if err != nil {
			return changed, err
		}
	}
	if r.deny != nil {
		if err := client.IgnoreNotFound(c.Delete(ctx, r.deny, exactly(r.deny.GetUID()))); err != nil {
			return changed, c.explain(err, "deleting "+title(r.deny))
		}
		changed = true
	}
	if r.policy != nil {
		if err := client.IgnoreNotFound(c.Delete(ctx, r.policy, exactly(r.policy.UID))); err != nil {
			return changed, c.explain(err, "deleting NetworkPolicy "+k.name)
		}
		changed = true
	}
	return changed, nil
}
