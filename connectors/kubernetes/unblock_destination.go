package kubernetes

import (
	"context"
	"fmt"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// unblockDestination takes one block back, and leaves the others of the namespace.
type unblockDestination struct{}

type unblockArguments struct {
	Target v1alpha1.TargetReference `json:"target"`
	CIDR   string                   `json:"cidr"`
	Deny   enforcement              `json:"deny,omitempty"`
}

func (a unblockArguments) blocking() (blocking, error) {
	prefix, err := parseDestination(a.CIDR)
	return blocking{target: a.Target, cidr: prefix, deny: a.Deny}, err
}

func (unblockDestination) describe() operation.Operation {
	return operation.Operation{
		Name: "unblock-destination", Summary: "Let the pods of a namespace reach a blocked address or CIDR again",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("target", `{"type": "object", "required": ["kind", "name", "uid"]}`, "cidr", cidrSchema, "deny?", enforcementSchema),
		Result:    noResult,
	}
}

func (unblockDestination) parse(arguments map[string]any) (blocking, error) {
	a, err := decode[unblockArguments](arguments)
	if err != nil {
		return blocking{}, err
	}
	return a.blocking()
}

func (u unblockDestination) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	k, err := u.parse(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: k.target, Summary: fmt.Sprintf("let pods of namespace %s reach %s again", k.target.Name, k.cidr)}
	change, err := k.change(ctx, c, false, request.Key)
	if err != nil {
		return plan, err
	}
	if plan.Done = !change.needed(); plan.Done {
		return plan, nil
	}
	plan.Diff, err = change.try(ctx, c)
	return plan, err
}

func (u unblockDestination) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	k, err := u.parse(request.Arguments)
	if err == nil && plan.Target.UID != k.target.UID {
		err = fmt.Errorf("%w: the plan is for a Namespace with uid %q, the request for %s; plan again", connectors.ErrNotFound, plan.Target.UID, k.target.UID)
	}
	if err == nil {
		err = k.apply(ctx, c, false, request.Key)
	}
	if err != nil {
		return failed(err)
	}
	return succeeded("%s is no longer blocked for pods of namespace %s", k.cidr, k.target.Name)
}

func (u unblockDestination) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	k, err := u.parse(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	change, err := k.change(ctx, c, false, request.Key)
	switch {
	case err != nil:
		return connectors.EffectUnknown, err
	case change.needed():
		return connectors.EffectAbsent, nil
	}
	return connectors.EffectPresent, nil
}
