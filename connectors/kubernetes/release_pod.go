package kubernetes

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// releasePod takes an isolation back. Where the pod is gone, or carries another
// label by now, only the NetworkPolicy goes.
type releasePod struct{}

type releaseArguments struct {
	Pod        string       `json:"pod"`
	UID        string       `json:"uid"`
	Policy     string       `json:"policy"`
	Former     *string      `json:"former,omitempty"`
	Replaced   []markChange `json:"replaced,omitempty"`
	Deny       enforcement  `json:"deny,omitempty"`
	Exclusions []exclusion  `json:"exclusions,omitempty"`
}

func (releasePod) describe() operation.Operation {
	return operation.Operation{
		Name: "release-pod", Summary: "Let an isolated pod onto the network again",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("pod", namespacedNameSchema, "uid", uidSchema, "policy", nameSchema, "former?", labelValueSchema,
			"replaced?", `{"type": "array", "items": `+properties("key", `{"type": "string"}`, "from?", labelValueSchema, "to?", labelValueSchema)+`}`,
			"deny?", enforcementSchema, "exclusions?", exclusionSchema),
		Result: noResult,
	}
}

func (i isolation) inverse() (*connectors.Inverse, error) {
	return inverse("release-pod", releaseArguments{
		Pod: i.pod.Namespace + "/" + i.pod.Name, UID: i.pod.UID, Policy: i.policy, Former: i.former,
		Replaced: i.replaced, Deny: i.deny, Exclusions: i.exclusions,
	})
}

func (a releaseArguments) isolation() isolation {
	return isolation{
		pod: pod(a.Pod, a.UID), policy: a.Policy, former: a.Former,
		replaced: a.Replaced, deny: a.Deny, exclusions: a.Exclusions,
	}
}

func parseIsolation(arguments map[string]any) (isolation, error) {
	a, err := decode[releaseArguments](arguments)
	return a.isolation(), err
}

// remains is what is left of an isolation: the cut, and the pod if it is still labelled; nil for gone.
func (i isolation) remains(ctx context.Context, c *cluster) (remains, *unstructured.Unstructured, error) {
	left, err := i.cut().remains(ctx, c)
	if err != nil {
		return left, nil, err
	}
	labelled, err := c.load(ctx, i.labelling())
	if gone(err) {
		return left, nil, nil
	}
	if err != nil {
		return left, nil, err
	}
	if i.labelling().effect(labelled) == connectors.EffectAbsent {
		labelled = nil
	}
	return left, labelled, nil
}

func (releasePod) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	i, err := parseIsolation(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: i.pod, Summary: fmt.Sprintf("release pod %s/%s", i.pod.Namespace, i.pod.Name)}
	left, labelled, err := i.remains(ctx, c)
	if err != nil {
		return plan, err
	}
	plan.Done = left.count() == 0 && labelled == nil
	if plan.Diff, err = i.cut().tryLift(ctx, c, left); err != nil {
		return plan, err
	}
	if labelled == nil {
		if !plan.Done {
			plan.Warnings = []string{"the pod is gone, or its label " + v1alpha1.LabelQuarantine + " was changed since: only the rules go"}
		}
		return plan, nil
	}
	unlabelling := i.labelling().swapped()
	before, after, err := c.tryRewrite(ctx, &unlabelling, false, labelled)
	if err != nil {
		return plan, err
	}
	podDiff, err := kube.Diff(before, after)
	plan.Diff += podDiff
	return plan, err
}

func (releasePod) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	i, err := parseIsolation(request.Arguments)
	if err != nil {
		return failed(err)
	}
	if plan.Target.UID != i.pod.UID {
		return failed(fmt.Errorf("%w: the plan is for a pod with uid %q, the request for %s; plan again", connectors.ErrNotFound, plan.Target.UID, i.pod.UID))
	}
	left, labelled, err := i.remains(ctx, c)
	if err != nil {
		return failed(err)
	}
	if labelled != nil {
		if _, err := c.rewrite(ctx, i.labelling().swapped(), labelled); err != nil && !gone(err) {
			return failed(err)
		}
	}
	if changed, err := i.cut().lift(ctx, c, left); err != nil {
		return halfway(err, changed || labelled != nil)
	}
	return succeeded("pod %s/%s is released", i.pod.Namespace, i.pod.Name)
}

// halfway ends an execution that failed after something was changed: not a Failed result then.
func halfway(err error, changed bool) (connectors.Result, error) {
	if changed {
		return connectors.Result{Outcome: v1alpha1.OutcomeUnknown}, err
	}
	return failed(err)
}

func (releasePod) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	i, err := parseIsolation(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	left, labelled, err := i.remains(ctx, c)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	all := i.cut().parts(left) + 1
	there := all - left.count()
	if labelled != nil {
		there--
	}
	return effectOf(there, all), nil
}
