package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// quarantining is an action that cuts off all pods that an object stands for,
// those to come as well.
type quarantining struct {
	operation operation.Operation
	// parse reads the target from arguments, without a UID.
	parse func(arguments map[string]any) (v1alpha1.TargetReference, error)
	// within is where the pods are and what selects them.
	within func(target *unstructured.Unstructured) (namespace string, selector metav1.LabelSelector, err error)
	// allowing are the policies that allow some of the pods something.
	allowing func(f enclosure) []*networkingv1.NetworkPolicy
	// exclude keeps a policy off the pods, or says why it cannot.
	exclude func(f enclosure, p *networkingv1.NetworkPolicy) (exclusion, error)
	// undo names the operation that takes it back.
	undo string
}

// enclosure is a namespace as it is, seen from what is isolated in it.
type enclosure struct {
	vicinity
	target   *unstructured.Unstructured
	selector metav1.LabelSelector
	// inside are the pods that are isolated, outside the others.
	inside, outside []corev1.Pod
}

func (a *quarantining) describe() operation.Operation { return a.operation }

// meant is the target, what would cut it off, and the namespace around it.
func (a *quarantining) meant(ctx context.Context, c *cluster, target v1alpha1.TargetReference, list policyLister) (cut, enclosure, error) {
	found, around, err := c.vicinity(ctx, target, list)
	if err != nil {
		return cut{}, enclosure{}, err
	}
	f := enclosure{vicinity: around, target: found}
	k := cut{name: policyName(found.GetName(), string(found.GetUID()))}
	if k.namespace, k.selector, err = a.within(found); err != nil {
		return k, f, err
	}
	if k.deny, err = c.enforcement(ctx); err != nil {
		return k, f, err
	}
	f.selector = k.selector
	return k, f, f.divide()
}

// divide finds out which pods are inside.
func (f *enclosure) divide() error {
	selector, err := metav1.LabelSelectorAsSelector(&f.selector)
	if err != nil {
		return fmt.Errorf("%w: selector of %s: %w", connectors.ErrInvalid, f.target.GetName(), err)
	}
	for _, p := range f.pods {
		if selector.Matches(labels.Set(p.Labels)) {
			f.inside = append(f.inside, p)
		} else {
			f.outside = append(f.outside, p)
		}
	}
	return nil
}

func (a *quarantining) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	target, err := a.parse(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	k, f, err := a.meant(ctx, c, target, c.policiesLately)
	if err != nil {
		return connectors.Plan{}, err
	}
	target.UID = string(f.target.GetUID())
	plan := connectors.Plan{Target: target, Summary: "isolate " + name(target)}
	if f.target.GetDeletionTimestamp() != nil {
		return plan, fmt.Errorf("%w: %s is being deleted", connectors.ErrConflict, name(target))
	}
	if k.deny == "" {
		written := f
		written.policies = asWritten(without(f.policies, k.name))
		for _, p := range a.allowing(written) {
			e, err := a.exclude(written, p)
			if err != nil {
				return plan, err
			}
			k.exclusions = append(k.exclusions, e)
		}
	}
	if plan.Diff, err = k.try(ctx, c, f.policies, request.Key); err != nil {
		return plan, err
	}
	if plan.Done = plan.Diff == ""; plan.Done {
		return plan, nil
	}
	felt := f.without(held(f.inside))
	plan.Shares, plan.Warnings = felt.shares, append(f.warn(k), felt.warnings...)
	plan.Inverse, err = inverse(a.undo, quarantine(target, k))
	return plan, err
}

// warn tells how far the isolation itself reaches, and where it does not.
func (f enclosure) warn(k cut) []string {
	warnings := []string{counted(len(f.inside), "pod is", "pods are") + " cut off, and every one to come"}
	onNode := len(f.inside) - len(held(f.inside))
	if onNode > 0 {
		warnings = append(warnings, counted(onNode, "pod uses", "pods use")+" the network of a node: no NetworkPolicy applies to that")
	}
	if len(k.exclusions) > 0 {
		warnings = append(warnings, exclusionWarning(k.exclusions, "what is isolated"))
	}
	return warnings
}

func (a *quarantining) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	kept, err := plannedInverse[quarantineArguments](plan)
	if err != nil {
		return failed(err)
	}
	found, err := c.get(ctx, plan.Target)
	if err == nil {
		err = sameObject(found, plan.Target)
	}
	if err != nil {
		return failed(err)
	}
	k := kept.cut()
	made, err := k.make(ctx, c, request.Key)
	if err != nil {
		return failed(made.after(ctx, err))
	}
	return succeeded("%s is isolated by NetworkPolicy %s/%s", name(plan.Target), k.namespace, k.name)
}

// observe asks again which policies hold: one that was added since allows something.
func (a *quarantining) observe(ctx context.Context, c *cluster, _ connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	k, f, err := a.meant(ctx, c, target, c.policies)
	if gone(err) || err == nil && sameObject(f.target, target) != nil {
		return connectors.EffectUnknown, nil
	}
	if err != nil {
		return connectors.EffectUnknown, err
	}
	there, all, err := k.holds(ctx, c, f.policies)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	f.policies = without(f.policies, k.name)
	effect := effectOf(there, all)
	if effect == connectors.EffectPresent && k.deny == "" && len(a.allowing(f)) > 0 {
		return connectors.EffectPartial, nil
	}
	return effect, nil
}
