package kubernetes

import (
	"context"
	"errors"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/connectors"
)

// cut allows the pods that it selects nothing, both ways: by a NetworkPolicy, by
// rules that deny where the network plug-in has such, and where it has none by
// keeping other policies off those pods.
type cut struct {
	namespace, name string
	selector        metav1.LabelSelector
	// deny is empty where nothing can deny.
	deny enforcement
	// exclusions of the other policies.
	exclusions []exclusion
}

func (k cut) meta(key string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: k.namespace, Name: k.name, Labels: map[string]string{"app.kubernetes.io/managed-by": "tocsin"}}
	if key != "" {
		m.Annotations = map[string]string{annotationKey: key}
	}
	return m
}

// networkPolicy restricts both directions and allows nothing.
func (k cut) networkPolicy(key string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: k.meta(key),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: k.selector,
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		},
	}
}

// denyRules is nil where nothing can deny.
func (k cut) denyRules(key string) *unstructured.Unstructured {
	if k.deny == "" {
		return nil
	}
	policy := k.deny.policy(k.namespace, k.name)
	m := k.meta(key)
	policy.SetLabels(m.Labels)
	policy.SetAnnotations(m.Annotations)
	policy.Object["spec"] = k.deny.isolating(k.selector)
	return policy
}

// intact refuses a policy of that name that does something else: somebody wants to be in the way.
func (k cut) intact(policy *networkingv1.NetworkPolicy) error {
	if equality.Semantic.DeepEqual(policy.Spec, k.networkPolicy("").Spec) {
		return nil
	}
	return fmt.Errorf("%w: NetworkPolicy %s/%s is not what isolates it: look who changed it, and delete it", connectors.ErrConflict, k.namespace, k.name)
}

// found returns the NetworkPolicy, or nil.
func (k cut) found(ctx context.Context, c *cluster) (*networkingv1.NetworkPolicy, error) {
	policy := &networkingv1.NetworkPolicy{}
	err := c.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: k.name}, policy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.explain(err, "reading NetworkPolicy "+k.namespace+"/"+k.name)
	}
	return policy, k.intact(policy)
}

// foundDeny returns the rules that deny, or nil.
func (k cut) foundDeny(ctx context.Context, c *cluster) (*unstructured.Unstructured, error) {
	wanted := k.denyRules("")
	if wanted == nil {
		return nil, nil
	}
	found := k.deny.policy(k.namespace, k.name)
	err := c.Get(ctx, client.ObjectKeyFromObject(found), found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.explain(err, "reading "+title(wanted))
	}
	if !equality.Semantic.DeepEqual(found.Object["spec"], wanted.Object["spec"]) {
		return nil, fmt.Errorf("%w: %s of %s is not what isolates it: look who changed it, and delete it", connectors.ErrConflict, title(wanted), k.deny)
	}
	return found, nil
}

// try has the API server make what is missing without keeping it; an empty diff says that nothing is.
func (k cut) try(ctx context.Context, c *cluster, there []networkingv1.NetworkPolicy, key string) (string, error) {
	made, err := k.tryMaking(ctx, c, there, key)
	if err != nil {
		return "", err
	}
	changed, err := k.tryExclusions(ctx, c, there, true)
	return made + changed, err
}

func (k cut) tryMaking(ctx context.Context, c *cluster, there []networkingv1.NetworkPolicy, key string) (diff string, err error) {
	own := policyNamed(there, k.name)
	if own == nil {
		diff, err = c.tryCreate(ctx, k.networkPolicy(key))
	} else {
		err = k.intact(own)
	}
	if err != nil || k.deny == "" {
		return diff, err
	}
	denying, err := k.foundDeny(ctx, c)
	if err != nil || denying != nil {
		return diff, err
	}
	more, err := c.tryCreate(ctx, k.denyRules(key))
	return diff + more, err
}

// holds counts the parts that are there; policies are those of the namespace.
func (k cut) holds(ctx context.Context, c *cluster, policies []networkingv1.NetworkPolicy) (there, all int, err error) {
	if own := policyNamed(policies, k.name); own != nil {
		if err := k.intact(own); err != nil {
			return 0, 0, err
		}
		there++
	}
	if k.deny == "" {
		return there, 1, nil
	}
	denying, err := k.foundDeny(ctx, c)
	if denying != nil {
		there++
	}
	return there, 2, err
}

// tryExclusions shows how the other policies change.
func (k cut) tryExclusions(ctx context.Context, c *cluster, there []networkingv1.NetworkPolicy, with bool) (diff string, err error) {
	for _, e := range k.exclusions {
		before := policyNamed(there, e.Policy)
		if before == nil || string(before.UID) != e.UID {
			continue
		}
		more, err := k.tryExclusion(ctx, c, e, before, with)
		if err != nil {
			return "", err
		}
		diff += more
	}
	return diff, nil
}

// tryExclusion reads the policy again where somebody changed it since, as other isolations
// do. One that is gone or was replaced allows nothing any more.
func (k cut) tryExclusion(ctx context.Context, c *cluster, e exclusion, before *networkingv1.NetworkPolicy, with bool) (diff string, err error) {
	before = before.DeepCopy()
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if before == nil {
			before = &networkingv1.NetworkPolicy{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: e.Policy}, before); err != nil {
				return c.explain(err, "reading NetworkPolicy "+k.namespace+"/"+e.Policy)
			}
			if string(before.UID) != e.UID {
				return nil
			}
		}
		before.TypeMeta = k.networkPolicy("").TypeMeta
		diff, err = c.tryPatch(ctx, before, e.changed(before, with))
		before = nil
		return err
	})
	if gone(err) {
		return "", nil
	}
	return diff, err
}

func policyNamed(policies []networkingv1.NetworkPolicy, name string) *networkingv1.NetworkPolicy {
	for i := range policies {
		if policies[i].Name == name {
			return &policies[i]
		}
	}
	return nil
}

// make makes what is missing, and returns how to take away again what it made.
func (k cut) make(ctx context.Context, c *cluster, key string) (back withdrawal, err error) {
	policy := k.networkPolicy(key)
	err = c.Create(ctx, policy)
	switch {
	case apierrors.IsAlreadyExists(err):
		_, err = k.found(ctx, c)
	case err == nil:
		back = append(back, deletion(c, policy, "NetworkPolicy "+k.name))
	}
	if err != nil {
		return back, c.explain(err, "creating NetworkPolicy "+k.namespace+"/"+k.name)
	}
	if denying := k.denyRules(key); denying != nil {
		err = c.Create(ctx, denying)
		switch {
		case apierrors.IsAlreadyExists(err):
			_, err = k.foundDeny(ctx, c)
		case err == nil:
			back = append(back, deletion(c, denying, title(denying)))
		}
		if err != nil {
			return back, c.explain(err, "creating "+title(denying))
		}
	}
	for _, e := range k.exclusions {
		changed, err := k.set(ctx, c, e, true)
		if err != nil {
			return back, err
		}
		if changed {
			back = append(back, func(ctx context.Context) error {
				_, err := k.set(ctx, c, e, false)
				return err
			})
		}
	}
	return back, nil
}

// set gives a policy the requirements of an exclusion, or takes them away. One
// that is gone or was replaced needs neither.
func (k cut) set(ctx context.Context, c *cluster, e exclusion, with bool) (changed bool, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		policy := &networkingv1.NetworkPolicy{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: e.Policy}, policy); err != nil {
			return client.IgnoreNotFound(err)
		}
		all, none := e.there(policy)
		if string(policy.UID) != e.UID || with && all || !with && none {
			return nil
		}
		after := e.changed(policy, with)
		if err := c.Patch(ctx, after, client.MergeFromWithOptions(policy, client.MergeFromWithOptimisticLock{})); err != nil {
			return err
		}
		changed = true
		return nil
	})
	return changed, c.explain(err, "changing NetworkPolicy "+k.namespace+"/"+e.Policy)
}

// withdrawal takes back what was made, the last first.
type withdrawal []func(ctx context.Context) error

func deletion(c *cluster, object client.Object, what string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if err := c.Delete(ctx, object, exactly(object.GetUID())); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("%s is left behind: %w", what, err)
		}
		return nil
	}
}

// after takes everything back when the rest could not be done for sure. The error
// that comes back is a definite one only if nothing is left.
func (w withdrawal) after(ctx context.Context, cause error) error {
	if cause == nil || !definite(cause) {
		return cause
	}
	for i := len(w) - 1; i >= 0; i-- {
		if err := w[i](ctx); err != nil {
			return errors.New(cause.Error() + "; " + err.Error())
		}
	}
	return cause
}
