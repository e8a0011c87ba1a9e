package kubernetes

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// releasing takes a quarantine back, also where its target is gone.
type releasing struct {
	name, summary string
	risk          v1alpha1.Risk
}

type quarantineArguments struct {
	Target     v1alpha1.TargetReference `json:"target"`
	Within     string                   `json:"within"`
	Policy     string                   `json:"policy"`
	Selector   metav1.LabelSelector     `json:"selector"`
	Deny       enforcement              `json:"deny,omitempty"`
	Exclusions []exclusion              `json:"exclusions,omitempty"`
}

func quarantine(target v1alpha1.TargetReference, k cut) quarantineArguments {
	return quarantineArguments{Target: target, Within: k.namespace, Policy: k.name, Selector: k.selector, Deny: k.deny, Exclusions: k.exclusions}
}

func (a quarantineArguments) cut() cut {
	return cut{namespace: a.Within, name: a.Policy, selector: a.Selector, deny: a.Deny, exclusions: a.Exclusions}
}

func (r releasing) describe() operation.Operation {
	return operation.Operation{
		Name: r.name, Summary: r.summary,
		Mode: v1alpha1.OperationWrite, Risk: r.risk, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("target", `{"type": "object", "required": ["kind", "name", "uid"]}`, "within", namespaceSchema, "policy", nameSchema,
			"selector", `{"type": "object"}`, "deny?", enforcementSchema, "exclusions?", exclusionSchema),
		Result: noResult,
	}
}

func (releasing) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[quarantineArguments](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: a.Target, Summary: "release " + name(a.Target)}
	left, err := a.cut().remains(ctx, c)
	if err != nil {
		return plan, err
	}
	plan.Done = left.count() == 0
	plan.Diff, err = a.cut().tryLift(ctx, c, left)
	return plan, err
}

func (releasing) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	a, err := decode[quarantineArguments](request.Arguments)
	if err != nil {
		return failed(err)
	}
	if plan.Target.UID != a.Target.UID {
		return failed(fmt.Errorf("%w: the plan is for a %s with uid %q, the request for %s; plan again", connectors.ErrNotFound, a.Target.Kind, plan.Target.UID, a.Target.UID))
	}
	left, err := a.cut().remains(ctx, c)
	if err != nil {
		return failed(err)
	}
	if changed, err := a.cut().lift(ctx, c, left); err != nil {
		return halfway(err, changed)
	}
	return succeeded("%s is released", name(a.Target))
}

func (releasing) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	a, err := decode[quarantineArguments](request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	left, err := a.cut().remains(ctx, c)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	all := a.cut().parts(left)
	return effectOf(all-left.count(), all), nil
}
