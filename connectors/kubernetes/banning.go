package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// banning is an action that puts a ban in force, and nothing else.
type banning struct {
	operation operation.Operation
	// parse reads arguments. The target comes without a UID where it is an object of the API server.
	parse func(c *cluster, arguments map[string]any) (ban, error)
	// warn completes a plan with what an approver should know.
	warn func(ctx context.Context, c *cluster, d ban, plan *connectors.Plan) error
	// undo names the operation that takes the ban back.
	undo string
}

func (a *banning) describe() operation.Operation { return a.operation }

// meant is the ban of a request, with the UID of the target as it is now.
func (a *banning) meant(ctx context.Context, c *cluster, request connectors.Request) (ban, error) {
	d, err := a.parse(c, request.Arguments)
	if err != nil || d.target.UID != "" {
		return d, err
	}
	found, err := c.get(ctx, d.target)
	if err != nil {
		return d, err
	}
	d.target.UID = string(found.GetUID())
	return d, nil
}

func (a *banning) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	d, err := a.meant(ctx, c, request)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: d.target, Summary: d.summary, Affects: d.affects}
	if plan.Diff, err = d.try(ctx, c, request.Key); err != nil {
		return plan, err
	}
	if plan.Done = plan.Diff == ""; plan.Done {
		return plan, nil
	}
	if err := a.warn(ctx, c, d, &plan); err != nil {
		return plan, err
	}
	plan.Inverse, err = inverse(a.undo, d.lifted())
	return plan, err
}

func (a *banning) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	d, err := a.meant(ctx, c, request)
	if err == nil && d.target.UID != plan.Target.UID {
		err = fmt.Errorf("%w: %s is not the one that was planned: its uid is %s, not %q; plan again",
			connectors.ErrNotFound, name(d.target), d.target.UID, plan.Target.UID)
	}
	if err == nil {
		err = d.create(ctx, c, request.Key)
	}
	if err != nil {
		return failed(err)
	}
	return succeeded("%s: ValidatingAdmissionPolicy %s is in force", d.summary, d.name)
}

// What is denied is told by name, so that it holds whoever has the name.
func (a *banning) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	d, err := a.parse(c, request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	return d.effect(ctx, c)
}

// lifting takes a ban back. It keeps all of it, so that a newer version of
// Tocsin knows what an older one made.
type lifting struct {
	name, summary string
}

type liftingArguments struct {
	Target  v1alpha1.TargetReference                               `json:"target"`
	Policy  string                                                 `json:"policy"`
	Spec    *admissionregistrationv1.ValidatingAdmissionPolicySpec `json:"spec"`
	Summary string                                                 `json:"summary"`
}

func (d ban) lifted() liftingArguments {
	return liftingArguments{Target: d.target, Policy: d.name, Spec: &d.spec, Summary: d.summary}
}

func (l lifting) describe() operation.Operation {
	return operation.Operation{
		Name: l.name, Summary: l.summary,
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("target", `{"type": "object", "required": ["kind", "name", "uid"]}`, "policy", nameSchema,
			"spec", `{"type": "object"}`, "summary", `{"type": "string"}`),
		Result: noResult,
	}
}

func (lifting) parse(arguments map[string]any) (ban, error) {
	raw, err := json.Marshal(arguments)
	var a liftingArguments
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		return ban{}, fmt.Errorf("%w: %w", connectors.ErrInvalid, err)
	}
	return ban{target: a.Target, name: a.Policy, spec: *a.Spec, summary: a.Summary}, nil
}

func (l lifting) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	d, err := l.parse(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: d.target, Summary: "take back: " + d.summary}
	policy, binding, err := d.found(ctx, c)
	if err != nil {
		return plan, err
	}
	plan.Done = policy == nil && binding == nil
	if binding != nil {
		if plan.Diff, err = c.tryDelete(ctx, binding, d.binding("").TypeMeta); err != nil {
			return plan, err
		}
	}
	if policy == nil {
		return plan, nil
	}
	more, err := c.tryDelete(ctx, policy, d.policy("").TypeMeta)
	plan.Diff += more
	return plan, err
}

func (l lifting) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	d, err := l.parse(request.Arguments)
	if err != nil {
		return failed(err)
	}
	if plan.Target.UID != d.target.UID {
		return failed(fmt.Errorf("%w: the plan is for a %s with uid %q, the request for %s; plan again", connectors.ErrNotFound, d.target.Kind, plan.Target.UID, d.target.UID))
	}
	policy, binding, err := d.found(ctx, c)
	if err != nil {
		return failed(err)
	}
	if binding != nil {
		if err := client.IgnoreNotFound(c.Delete(ctx, binding, exactly(binding.UID))); err != nil {
			return failed(c.explain(err, "deleting ValidatingAdmissionPolicyBinding "+d.name))
		}
	}
	if policy != nil {
		if err := client.IgnoreNotFound(c.Delete(ctx, policy, exactly(policy.UID))); err != nil {
			return halfway(c.explain(err, "deleting ValidatingAdmissionPolicy "+d.name), binding != nil)
		}
	}
	return succeeded("ValidatingAdmissionPolicy %s is gone", d.name)
}

func (l lifting) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	d, err := l.parse(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	effect, err := d.effect(ctx, c)
	switch {
	case err != nil:
		return effect, err
	case effect == connectors.EffectPresent:
		return connectors.EffectAbsent, nil
	case effect == connectors.EffectAbsent:
		return connectors.EffectPresent, nil
	}
	return effect, nil
}
