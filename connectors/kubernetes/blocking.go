package kubernetes

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// blocking keeps the pods of a namespace from some addresses. Where the network
// plug-in can deny, each block is a policy of its own. Elsewhere there is one
// NetworkPolicy for all blocks of the namespace, which allows everything but them:
// two would each allow what the other does not.
type blocking struct {
	// target is the Namespace, with its UID.
	target v1alpha1.TargetReference
	cidr   netip.Prefix
	deny   enforcement
}

// blocksName of the one NetworkPolicy.
const blocksName = "tocsin-blocked-destinations"

var everywhere = []string{"0.0.0.0/0", "::/0"}

// restricting is a policy that says what pods may reach, other than that of blocks.
// Pods that are isolated one by one are left out by that one, so theirs do not count.
func restricting(policies []networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	for i := range policies {
		p := &policies[i]
		if p.Name != blocksName && slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) && !ofQuarantined(p) {
			return p
		}
	}
	return nil
}

// ofQuarantined: it selects only pods that carry the label of an isolation.
func ofQuarantined(p *networkingv1.NetworkPolicy) bool {
	requirements, _ := selectorOf(p).Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals, selection.Exists:
			if r.Key() == v1alpha1.LabelQuarantine {
				return true
			}
		}
	}
	return false
}

// allBut is the NetworkPolicy that allows everything but what is blocked.
func allBut(namespace string, blocked []netip.Prefix) *networkingv1.NetworkPolicy {
	// Addresses are those outside the cluster; its pods must be named besides.
	to := []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}
	for _, all := range everywhere {
		block := &networkingv1.IPBlock{CIDR: all}
		for _, b := range blocked {
			if netip.MustParsePrefix(all).Addr().Is4() == b.Addr().Is4() {
				block.Except = append(block.Except, b.String())
			}
		}
		to = append(to, networkingv1.NetworkPolicyPeer{IPBlock: block})
	}
	k := cut{namespace: namespace, name: blocksName}
	return &networkingv1.NetworkPolicy{
		TypeMeta: k.networkPolicy("").TypeMeta, ObjectMeta: k.meta(""),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelQuarantine, Operator: metav1.LabelSelectorOpDoesNotExist}}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress:      []networkingv1.NetworkPolicyEgressRule{{To: to}},
		},
	}
}

// blockedBy reads the blocks of that policy again; one that does something else is a conflict.
func blockedBy(p *networkingv1.NetworkPolicy) ([]netip.Prefix, error) {
	var blocked []netip.Prefix
	for _, rule := range p.Spec.Egress {
		for _, peer := range rule.To {
			if peer.IPBlock == nil {
				continue
			}
			for _, text := range peer.IPBlock.Except {
				if prefix, err := netip.ParsePrefix(text); err == nil {
					blocked = append(blocked, prefix)
				}
			}
		}
	}
	spec := p.Spec.DeepCopy()
	// Isolations of this namespace leave out what they isolate.
	spec.PodSelector.MatchExpressions = slices.DeleteFunc(spec.PodSelector.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
		return r.Operator == metav1.LabelSelectorOpNotIn || r.Key == nobody
	})
	if !equality.Semantic.DeepEqual(*spec, allBut(p.Namespace, blocked).Spec) {
		return nil, fmt.Errorf("%w: NetworkPolicy %s/%s does something else than Tocsin made it for: look who changed it, and delete it", connectors.ErrConflict, p.Namespace, p.Name)
	}
	return blocked, nil
}

// change is an object as it is and as it shall be; nil for absent.
type change struct {
	before, after client.Object
}

func (ch change) needed() bool {
	if ch.before == nil || ch.after == nil {
		return ch.before != ch.after
	}
	return !equality.Semantic.DeepEqual(ch.before, ch.after)
}

// change that makes the block or takes it away.
func (k blocking) change(ctx context.Context, c *cluster, with bool, key string) (change, error) {
	if k.deny == cilium {
		return k.changeCilium(ctx, c, with, key)
	}
	found := &networkingv1.NetworkPolicy{}
	err := c.Get(ctx, client.ObjectKey{Namespace: k.target.Name, Name: blocksName}, found)
	if client.IgnoreNotFound(err) != nil {
		return change{}, c.explain(err, "reading NetworkPolicy "+k.target.Name+"/"+blocksName)
	}
	there := err == nil
	var blocked []netip.Prefix
	var ch change
	if there {
		found.TypeMeta = allBut("", nil).TypeMeta
		if blocked, err = blockedBy(found); err != nil {
			return change{}, err
		}
		ch.before = found
	}
	blocked = slices.DeleteFunc(blocked, func(p netip.Prefix) bool { return p == k.cidr && !with })
	if with && !slices.Contains(blocked, k.cidr) {
		blocked = append(blocked, k.cidr)
	}
	if len(blocked) == 0 {
		return ch, nil
	}
	after := allBut(k.target.Name, blocked)
	if there {
		after = found.DeepCopy()
		after.Spec.Egress = allBut(k.target.Name, blocked).Spec.Egress
	}
	ch.after = after
	return ch, nil
}

// changeCilium leaves what no policy speaks of allowed, as it is without this one.
func (k blocking) changeCilium(ctx context.Context, c *cluster, with bool, key string) (change, error) {
	wanted := k.deny.policy(k.target.Name, banName("tocsin-block-", k.cidr.String()))
	m := cut{}.meta(key)
	wanted.SetLabels(m.Labels)
	wanted.SetAnnotations(m.Annotations)
	wanted.Object["spec"] = map[string]any{
		"endpointSelector":  map[string]any{},
		"egressDeny":        []any{map[string]any{"toCIDR": []any{k.cidr.String()}}},
		"enableDefaultDeny": map[string]any{"egress": false, "ingress": false},
	}
	found := k.deny.policy(wanted.GetNamespace(), wanted.GetName())
	err := c.Get(ctx, client.ObjectKeyFromObject(found), found)
	switch {
	case apierrors.IsNotFound(err) && with:
		return change{after: wanted}, nil
	case apierrors.IsNotFound(err):
		return change{}, nil
	case err != nil:
		return change{}, c.explain(err, "reading "+title(wanted))
	case !equality.Semantic.DeepEqual(found.Object["spec"], wanted.Object["spec"]):
		return change{}, fmt.Errorf("%w: %s does something else than Tocsin made it for: look who changed it, and delete it", connectors.ErrConflict, title(wanted))
	case with:
		return change{before: found, after: found}, nil
	}
	return change{before: found}, nil
}

// try has the API server make the change without keeping it.
func (ch change) try(ctx context.Context, c *cluster) (string, error) {
	switch {
	case ch.before == nil:
		spec := specOf(ch.after)
		diff, err := c.tryCreate(ctx, ch.after)
		if err == nil && !equality.Semantic.DeepEqual(spec, specOf(ch.after)) {
			err = fmt.Errorf("%w: it would not hold: the API server does not keep all of %s; the network plug-in is too old for it", connectors.ErrConflict, title(ch.after))
		}
		return diff, err
	case ch.after == nil:
		kind := metav1.TypeMeta{}
		kind.SetGroupVersionKind(ch.before.GetObjectKind().GroupVersionKind())
		return c.tryDelete(ctx, ch.before, kind)
	}
	return c.tryPatch(ctx, ch.before, ch.after)
}

// specOf is nil for what is no custom resource: only those lose what their schema does not know.
func specOf(object client.Object) any {
	if custom, ok := object.(*unstructured.Unstructured); ok {
		return custom.DeepCopy().Object["spec"]
	}
	return nil
}

// apply makes the block or takes it away.
func (k blocking) apply(ctx context.Context, c *cluster, with bool, key string) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		ch, err := k.change(ctx, c, with, key)
		switch {
		case err != nil:
			return err
		case !ch.needed():
			return nil
		case ch.before == nil:
			return c.Create(ctx, ch.after)
		case ch.after == nil:
			uid, version := ch.before.GetUID(), ch.before.GetResourceVersion()
			return client.IgnoreNotFound(c.Delete(ctx, ch.before, client.Preconditions{UID: &uid, ResourceVersion: &version}))
		}
		return c.Patch(ctx, ch.after, client.MergeFromWithOptions(ch.before, client.MergeFromWithOptimisticLock{}))
	})
	return c.explain(err, "changing what is blocked in "+name(k.target))
}
