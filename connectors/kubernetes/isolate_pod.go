package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	found, err := c.get(ctx, pod(a.Pod, ""))
	if err != nil {
		return connectors.Plan{}, err
	}
	i := isolation{pod: pod(a.Pod, string(found.GetUID())), policy: policyName(found.GetName(), string(found.GetUID()))}
	plan := connectors.Plan{Target: i.pod, Summary: "isolate pod " + a.Pod}
	policies := &networkingv1.NetworkPolicyList{}
	labelling := i
	var created, labelled bool
	var policyDiff, podDiff string
	var around surroundings
	// At the same time, since an attacker has until the last answer.
	var trials errgroup.Group
	trials.Go(func() (err error) {
		if err := c.List(ctx, policies, client.InNamespace(i.pod.Namespace)); err != nil {
			return c.explain(err, "listing NetworkPolicies of "+i.pod.Namespace)
		}
		created, policyDiff, err = i.tryPolicy(ctx, c, policies.Items, request.Key)
		return err
	})
	trials.Go(func() (err error) {
		labelled, podDiff, err = labelling.tryLabel(ctx, c, found)
		return err
	})
	trials.Go(func() (err error) {
		around, err = c.surroundings(ctx, i.pod.Namespace)
		return err
	})
	if err := trials.Wait(); err != nil {
		return plan, err
	}
	plan.Diff = policyDiff + podDiff
	if plan.Done = !created && !labelled; plan.Done {
		return plan, nil
	}
	if plan.Warnings, err = holes(found, policies.Items); err != nil {
		return plan, err
	}
	felt := around.without(map[types.UID]bool{found.GetUID(): true})
	plan.Shares, plan.Warnings = felt.shares, append(plan.Warnings, felt.warnings...)
	plan.Inverse, err = labelling.inverse()
	return plan, err
}

// tryPolicy has the API server create the policy without keeping it, unless it is among those that are there.
func (i isolation) tryPolicy(ctx context.Context, c *cluster, there []networkingv1.NetworkPolicy, key string) (created bool, diff string, err error) {
	for _, p := range there {
		if p.Name == i.policy {
			return false, "", i.intact(&p)
		}
	}
	policy := i.networkPolicy(key)
	if err := c.Create(ctx, policy, client.DryRunAll); err != nil {
		return false, "", c.explain(err, "planning NetworkPolicy "+i.pod.Namespace+"/"+i.policy)
	}
	policy.TypeMeta = i.networkPolicy(key).TypeMeta // the client drops it
	diff, err = kube.Diff(nil, policy)
	return true, diff, err
}

// tryLabel has the API server label the pod without keeping it, and keeps what
// the label was, unless the pod carries the one of this isolation already.
func (i *isolation) tryLabel(ctx context.Context, c *cluster, found *unstructured.Unstructured) (labelled bool, diff string, err error) {
	labelling := i.labelling()
	before, after, err := c.tryRewrite(ctx, &labelling, true, found)
	if err != nil {
		return false, "", err
	}
	if labelled = labelling.effect(before) != connectors.EffectPresent; labelled {
		i.former = pointer(labelling.fields[0].from)
	}
	diff, err = kube.Diff(before, after)
	return labelled, diff, err
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
	created, err := i.createPolicy(ctx, c, request.Key)
	if err != nil {
		return failed(err)
	}
	if _, err := c.rewrite(ctx, i.labelling(), found); err != nil {
		return failed(i.withdraw(ctx, c, created, err))
	}
	return succeeded("pod %s/%s is isolated by NetworkPolicy %s", i.pod.Namespace, i.pod.Name, i.policy)
}

// plannedIsolation is what the plan's inverse would take back.
func plannedIsolation(plan connectors.Plan) (isolation, error) {
	if plan.Inverse == nil {
		return isolation{}, fmt.Errorf("%w: the plan keeps no inverse, so nothing is changed", connectors.ErrInvalid)
	}
	var arguments map[string]any
	if err := json.Unmarshal(plan.Inverse.Arguments, &arguments); err != nil {
		return isolation{}, fmt.Errorf("%w: inverse: %w", connectors.ErrInvalid, err)
	}
	i, err := parseIsolation(arguments)
	i.pod.UID = plan.Target.UID
	return i, err
}

// createPolicy returns the policy if it was not there before.
func (i isolation) createPolicy(ctx context.Context, c *cluster, key string) (*networkingv1.NetworkPolicy, error) {
	policy := i.networkPolicy(key)
	err := c.Create(ctx, policy)
	if apierrors.IsAlreadyExists(err) {
		_, err = i.found(ctx, c)
		return nil, err
	}
	return policy, c.explain(err, "creating NetworkPolicy "+i.pod.Namespace+"/"+i.policy)
}

// withdraw takes the policy away again when the pod could not be labelled for
// sure. The error that comes back is a definite one only if nothing is left.
func (i isolation) withdraw(ctx context.Context, c *cluster, created *networkingv1.NetworkPolicy, cause error) error {
	if created == nil || !definite(cause) {
		return cause
	}
	if err := c.Delete(ctx, created, exactly(created.UID)); err != nil {
		return errors.New(cause.Error() + "; NetworkPolicy " + i.policy + " is left behind: " + err.Error())
	}
	return cause
}

func (isolatePod) observe(ctx context.Context, c *cluster, _ connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	i := isolation{pod: target, policy: policyName(target.Name, target.UID)}
	labelled, err := c.load(ctx, i.labelling())
	if gone(err) {
		return connectors.EffectUnknown, nil
	}
	if err != nil {
		return connectors.EffectUnknown, err
	}
	policy, err := i.found(ctx, c)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	there := 0
	if policy != nil {
		there++
	}
	if i.labelling().effect(labelled) == connectors.EffectPresent {
		there++
	}
	return effectOf(there, 2), nil
}
