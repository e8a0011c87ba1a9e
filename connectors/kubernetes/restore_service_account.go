package kubernetes

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// restoreServiceAccount puts back what a revocation took and can come back: the
// account, if somebody deleted it since, and its token Secrets, with new tokens.
type restoreServiceAccount struct{}

func (restoreServiceAccount) describe() operation.Operation {
	secret := properties("name", nameSchema, "uid", uidSchema, "labels?", `{"type": "object"}`, "annotations?", `{"type": "object"}`)
	return operation.Operation{
		Name: "restore-service-account", Summary: "Put a ServiceAccount and its token Secrets back, with new tokens",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("account", `{"type": "object", "required": ["apiVersion", "kind", "metadata"], "properties": {
			"apiVersion": {"const": "v1"}, "kind": {"const": "ServiceAccount"},
			"metadata": {"type": "object", "required": ["namespace", "name"], "properties": {"namespace": `+namespaceSchema+`, "name": `+nameSchema+`}}}}`,
			"uid", uidSchema, "tokenSecrets", `{"type": ["array", "null"], "items": `+secret+`}`),
		Result: noResult,
	}
}

// missing are the parts that are not there.
func (k keptAccount) missing(ctx context.Context, c *cluster) (account bool, secrets []tokenSecret, err error) {
	target := k.target()
	if _, err = c.get(ctx, target); gone(err) {
		account, err = true, nil
	}
	if err != nil {
		return false, nil, err
	}
	for _, s := range k.TokenSecrets {
		_, err := c.metadata(ctx, v1alpha1.TargetReference{APIVersion: "v1", Kind: "Secret", Namespace: target.Namespace, Name: s.Name})
		if gone(err) {
			secrets = append(secrets, s)
		} else if err != nil {
			return false, nil, err
		}
	}
	return account, secrets, nil
}

func (restoreServiceAccount) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	k, err := decode[keptAccount](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := k.target()
	plan := connectors.Plan{
		Target: target, Summary: "put back what is missing of " + name(target),
		Warnings: []string{"tokens that were revoked stay revoked"},
	}
	account, secrets, err := k.missing(ctx, c)
	if err != nil {
		return plan, err
	}
	if plan.Done = !account && len(secrets) == 0; plan.Done {
		plan.Summary += ": nothing is, and tokens that were revoked stay revoked"
		return plan, nil
	}
	if account {
		if plan.Diff, err = c.tryCreate(ctx, k.account("")); err != nil {
			return plan, err
		}
	}
	for _, s := range secrets {
		more, err := c.tryCreate(ctx, k.secret(s))
		if err != nil {
			return plan, err
		}
		plan.Diff += more
	}
	return plan, nil
}

func (restoreServiceAccount) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	k, err := decode[keptAccount](request.Arguments)
	if err != nil {
		return failed(err)
	}
	target := k.target()
	if plan.Target.UID != target.UID {
		return failed(fmt.Errorf("%w: the plan is for a ServiceAccount with uid %q, the request for %s; plan again", connectors.ErrNotFound, plan.Target.UID, target.UID))
	}
	account, secrets, err := k.missing(ctx, c)
	if err != nil {
		return failed(err)
	}
	if account {
		if err := c.Create(ctx, k.account("")); err != nil && !apierrors.IsAlreadyExists(err) {
			return failed(c.explain(err, "creating "+name(target)))
		}
	}
	for i, s := range secrets {
		if err := c.Create(ctx, k.secret(s)); err != nil && !apierrors.IsAlreadyExists(err) {
			return halfway(c.explain(err, "creating Secret "+s.Name), account || i > 0)
		}
	}
	return succeeded("%s is there; tokens that were revoked stay revoked", name(target))
}

func (restoreServiceAccount) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	k, err := decode[keptAccount](request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	account, secrets, err := k.missing(ctx, c)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	there := len(k.TokenSecrets) - len(secrets)
	if !account {
		there++
	}
	return effectOf(there, len(k.TokenSecrets)+1), nil
}
