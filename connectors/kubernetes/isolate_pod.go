package kubernetes

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// isolatePod cuts a pod off the network. The policy is made first: alone it
// selects nothing, so that the label alone decides.
type isolatePod struct{}

func (isolatePod) describe() operation.Operation {
	return operation.Operation{
		Name: "isolate-pod", Summary: "Cut a pod off the network, both ways",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoReversible,
		Arguments: properties("pod", namespacedNameSchema), Result: noResult,
	}
}

func (isolatePod) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[podArguments](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	// What takes longest, to list the namespace, is waited for last.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var around surroundings
	var listing errgroup.Group
	listing.Go(func() (err error) {
		around, err = c.surroundings(ctx, pod(a.Pod, "").Namespace)
		return err
	})
	found, policies, err := c.amid(ctx, pod(a.Pod, ""), c.policiesLately)
	if err != nil {
		return connectors.Plan{}, err
	}
	if err := onNodeNetwork(found); err != nil {
		return connectors.Plan{}, err
	}
	i := isolation{pod: pod(a.Pod, string(found.GetUID())), policy: policyName(found.GetName(), string(found.GetUID()))}
	plan := connectors.Plan{Target: i.pod, Summary: "isolate pod " + a.Pod}
	if i.deny, err = c.enforcement(ctx); err != nil {
		return plan, err
	}
	i.evade(found, policies)
	if plan.Diff, err = i.try(ctx, c, found, policies, request.Key); err != nil {
		return plan, err
	}
	if plan.Done = plan.Diff == ""; plan.Done {
		return plan, nil
	}
	if err := listing.Wait(); err != nil {
		return plan, err
	}
	if plan.Warnings, err = i.warnEvasion(ctx, c, found, around.services); err != nil {
		return plan, err
	}
	felt := around.without(map[types.UID]bool{found.GetUID(): true})
	plan.Shares, plan.Warnings = felt.shares, slices.Concat(plan.Warnings, felt.warnings, warnDeletion(found))
	plan.Inverse, err = i.inverse()
	return plan, err
}

// try has the API server make both halves without keeping them, at the same time; an
// empty diff says that nothing is missing.
func (i *isolation) try(ctx context.Context, c *cluster, found *unstructured.Unstructured, policies []networkingv1.NetworkPolicy, key string) (string, error) {
	k := i.cut()
	var policyDiff, podDiff string
	var trials errgroup.Group
	trials.Go(func() (err error) {
		policyDiff, err = k.try(ctx, c, policies, key)
		return err
	})
	trials.Go(func() (err error) {
		podDiff, err = i.tryLabel(ctx, c, found)
		return err
	})
	err := trials.Wait()
	return policyDiff + podDiff, err
}

// tryLabel has the API server label the pod without keeping it, and keeps what
// the label was, unless the pod carries the one of this isolation already.
func (i *isolation) tryLabel(ctx context.Context, c *cluster, found *unstructured.Unstructured) (string, error) {
	labelling := i.labelling()
	before, after, err := c.tryRewrite(ctx, &labelling, true, found)
	if err != nil || labelling.effect(before) == connectors.EffectPresent {
		return "", err
	}
	i.former = pointer(labelling.fields[0].from)
	return kube.Diff(before, after)
}

func (isolatePod) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	i, err := plannedIsolation(plan)
	if err != nil {
		return failed(err)
	}
	found, err := c.get(ctx, i.pod)
	if err == nil {
		err = sameObject(found, i.pod)
	}
	if err != nil {
		return failed(err)
	}
	made, err := i.cut().make(ctx, c, request.Key)
	if err == nil {
		_, err = c.rewrite(ctx, i.labelling(), found)
	}
	if err != nil {
		return failed(made.after(ctx, err))
	}
	return succeeded("pod %s/%s is isolated by NetworkPolicy %s", i.pod.Namespace, i.pod.Name, i.policy)
}

// plannedIsolation is what the plan's inverse would take back.
func plannedIsolation(plan connectors.Plan) (isolation, error) {
	a, err := plannedInverse[releaseArguments](plan)
	i := a.isolation()
	i.pod.UID = plan.Target.UID
	return i, err
}

// observe asks again which policies hold the pod: one that was added since allows it something.
func (isolatePod) observe(ctx context.Context, c *cluster, _ connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	i := isolation{pod: target, policy: policyName(target.Name, target.UID)}
	labelled, err := c.load(ctx, i.labelling())
	if gone(err) {
		return connectors.EffectUnknown, nil
	}
	if err != nil {
		return connectors.EffectUnknown, err
	}
	policies, err := c.policies(ctx, target.Namespace)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	if i.deny, err = c.enforcement(ctx); err != nil {
		return connectors.EffectUnknown, err
	}
	there, all, err := i.cut().holds(ctx, c, policies)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	if i.labelling().effect(labelled) == connectors.EffectPresent {
		there++
	}
	effect := effectOf(there, all+1)
	if effect == connectors.EffectPresent && i.deny == "" && len(allowing(without(policies, i.policy), labelled.GetLabels())) > 0 {
		return connectors.EffectPartial, nil
	}
	return effect, nil
}
