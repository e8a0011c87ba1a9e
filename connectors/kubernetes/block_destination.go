package kubernetes

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// blockDestination lets no pod of a namespace reach some addresses outside the
// cluster. Names are no argument: no network plug-in that is known here can deny by them.
type blockDestination struct{}

func (blockDestination) describe() operation.Operation {
	return operation.Operation{
		Name: "block-destination", Summary: "Let no pod of a namespace reach an address or CIDR outside the cluster",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoReversible,
		Arguments: properties("namespace", namespaceSchema, "cidr", cidrSchema), Result: noResult,
	}
}

const cidrSchema = `{"type": "string", "minLength": 2, "maxLength": 64, "pattern": "^[0-9a-fA-F:.]+(/[0-9]+)?$"}`

// parseDestination reads an address or a CIDR.
func parseDestination(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, single := netip.ParseAddr(text)
		if single != nil {
			return prefix, fmt.Errorf("%w: cidr: %q is neither an address nor a CIDR, such as 203.0.113.0/24", connectors.ErrInvalid, text)
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	switch {
	case prefix.Addr().Is4In6():
		return prefix, fmt.Errorf("%w: cidr: write %s as the IPv4 address that it is", connectors.ErrInvalid, text)
	case prefix.Bits() == 0:
		return prefix, fmt.Errorf("%w: cidr: %s is every address; isolate-namespace cuts a namespace off", connectors.ErrInvalid, text)
	case prefix != prefix.Masked():
		return prefix, fmt.Errorf("%w: cidr: %s has bits beyond its length; %s is meant, or a single address", connectors.ErrInvalid, text, prefix.Masked())
	}
	return prefix, nil
}

func (blockDestination) parse(arguments map[string]any) (blocking, error) {
	a, err := decode[struct {
		Namespace string `json:"namespace"`
		CIDR      string `json:"cidr"`
	}](arguments)
	if err != nil {
		return blocking{}, err
	}
	prefix, err := parseDestination(a.CIDR)
	return blocking{target: object{Kind: "Namespace", Name: a.Namespace}.target(), cidr: prefix}, err
}

func (b blockDestination) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	k, err := b.parse(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	found, around, err := c.vicinity(ctx, k.target, c.policiesLately)
	if err != nil {
		return connectors.Plan{}, err
	}
	k.target.UID = string(found.GetUID())
	plan := connectors.Plan{Target: k.target, Summary: fmt.Sprintf("block %s for pods of namespace %s", k.cidr, k.target.Name)}
	if found.GetDeletionTimestamp() != nil {
		return plan, fmt.Errorf("%w: %s is being deleted", connectors.ErrConflict, name(k.target))
	}
	if k.deny, err = c.enforcement(ctx); err != nil {
		return plan, err
	}
	if err := k.outweighed(around.policies); err != nil {
		return plan, err
	}
	change, err := k.change(ctx, c, true, request.Key)
	if err != nil {
		return plan, err
	}
	if plan.Done = !change.needed(); plan.Done {
		return plan, nil
	}
	if plan.Diff, err = change.try(ctx, c); err != nil {
		return plan, err
	}
	if plan.Warnings, err = k.warn(around.pods); err != nil {
		return plan, err
	}
	// They go on serving, but maybe not without what they reach there.
	plan.Shares = around.without(held(around.pods)).shares
	plan.Inverse, err = inverse("unblock-destination", unblockArguments{Target: k.target, CIDR: k.cidr.String(), Deny: k.deny})
	return plan, err
}

// wouldHold looks at the policies as they are now.
func (k blocking) wouldHold(ctx context.Context, c *cluster) error {
	var policies []networkingv1.NetworkPolicy
	if k.deny == "" {
		var err error
		if policies, err = c.policies(ctx, k.target.Name); err != nil {
			return err
		}
	}
	return k.outweighed(policies)
}

// outweighed refuses what other policies would undo, or what would undo others.
func (k blocking) outweighed(policies []networkingv1.NetworkPolicy) error {
	switch k.deny {
	case cilium:
		return nil
	case calico, calicoV1:
		return fmt.Errorf("%w: it would not hold: in Calico a policy that denies some egress cuts off all the rest of pods that no other policy is about, "+
			"and which those are cannot be told; block %s where traffic leaves the cluster", connectors.ErrConflict, k.cidr)
	}
	if p := restricting(policies); p != nil {
		return fmt.Errorf("%w: it would not hold: NetworkPolicy %s/%s says what pods may reach, and NetworkPolicies only add to each other: "+
			"one that allows all but %s would allow those pods more; take it out of what that policy allows", connectors.ErrConflict, p.Namespace, p.Name, k.cidr)
	}
	return nil
}

func (k blocking) warn(pods []corev1.Pod) ([]string, error) {
	onNode := 0
	for _, p := range pods {
		if address, err := netip.ParseAddr(p.Status.PodIP); err == nil && !p.Spec.HostNetwork && k.cidr.Contains(address) {
			return nil, fmt.Errorf("%w: %s holds addresses of the cluster's own pods, such as that of %s/%s, and those stay reachable: isolate them instead",
				connectors.ErrConflict, k.cidr, p.Namespace, p.Name)
		}
		if p.Spec.HostNetwork {
			onNode++
		}
	}
	warnings := []string{fmt.Sprintf("%s cut off from %s, and every one to come; pods and Services of the cluster stay reachable, whatever their address",
		counted(len(pods)-onNode, "pod is", "pods are"), k.cidr)}
	if onNode > 0 {
		warnings = append(warnings, counted(onNode, "pod uses", "pods use")+" the network of a node: no NetworkPolicy applies to that")
	}
	return warnings, nil
}

func (b blockDestination) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	kept, err := plannedInverse[unblockArguments](plan)
	if err != nil {
		return failed(err)
	}
	k, err := kept.blocking()
	if err != nil {
		return failed(err)
	}
	found, err := c.get(ctx, k.target)
	if err == nil {
		err = sameObject(found, plan.Target)
	}
	if err == nil {
		err = k.wouldHold(ctx, c)
	}
	if err == nil {
		err = k.apply(ctx, c, true, request.Key)
	}
	if err != nil {
		return failed(err)
	}
	return succeeded("%s is blocked for pods of namespace %s", k.cidr, k.target.Name)
}

func (b blockDestination) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	k, err := b.parse(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	found, err := c.get(ctx, target)
	if gone(err) || err == nil && sameObject(found, target) != nil {
		return connectors.EffectUnknown, nil
	}
	if err == nil {
		k.deny, err = c.enforcement(ctx)
	}
	if err != nil {
		return connectors.EffectUnknown, err
	}
	change, err := k.change(ctx, c, true, request.Key)
	switch {
	case err != nil:
		return connectors.EffectUnknown, err
	case change.needed():
		return connectors.EffectAbsent, nil
	}
	if err := k.wouldHold(ctx, c); definite(err) {
		return connectors.EffectPartial, nil
	} else if err != nil {
		return connectors.EffectUnknown, err
	}
	return connectors.EffectPresent, nil
}
