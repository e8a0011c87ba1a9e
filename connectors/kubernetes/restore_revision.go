package kubernetes

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// restoreRevision takes a rollback back.
type restoreRevision struct{}

type restoreRevisionArguments struct {
	object
	From   string  `json:"from"`
	To     string  `json:"to"`
	Marked *string `json:"marked,omitempty"`
	Mark   *string `json:"mark,omitempty"`
}

func (restoreRevision) describe() operation.Operation {
	const mark = `{"type": "string"}`
	return operation.Operation{
		Name: "restore-revision", Summary: "Give a workload the revision back that it was rolled back from",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("kind", rolledKinds, "namespace", namespaceSchema, "name", nameSchema, "uid", uidSchema,
			"from", nameSchema, "to", nameSchema, "marked?", mark, "mark?", mark),
		Result: noResult,
	}
}

func (b rollback) inverse() (*connectors.Inverse, error) {
	return inverse("restore-revision", restoreRevisionArguments{object: named(b.target), From: b.to, To: b.from, Marked: b.mark, Mark: b.marked})
}

func parseRollback(arguments map[string]any) (rollback, error) {
	a, err := decode[restoreRevisionArguments](arguments)
	return rollback{target: a.target(), from: a.From, to: a.To, marked: a.Marked, mark: a.Mark}, err
}

func (restoreRevision) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	b, err := parseRollback(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: b.target, Summary: fmt.Sprintf("give %s its revision %s back", name(b.target), b.to)}
	workload, err := c.get(ctx, b.target)
	if err == nil {
		err = sameObject(workload, b.target)
	}
	if err != nil {
		return plan, err
	}
	revisions, err := c.revisions(ctx, workload)
	if err != nil {
		return plan, err
	}
	if plan.Done = ptr.Equal(pointer(b.marking().value(workload)), b.mark) && !b.leaves(workload, revisions); plan.Done {
		return plan, nil
	}
	from, err := revisionOf(workload, revisions, b.from)
	if err != nil {
		return plan, err
	}
	to, err := revisionOf(workload, revisions, b.to)
	if err != nil {
		return plan, err
	}
	plan.Warnings = warnRollout(workload, "given back their revision")
	plan.Diff, err = b.diff(ctx, c, from, to, workload)
	return plan, err
}

func (restoreRevision) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	b, err := parseRollback(request.Arguments)
	if err == nil {
		b.target.UID = plan.Target.UID
		err = b.apply(ctx, c, plan.Diff)
	}
	if err != nil {
		return failed(err)
	}
	return succeeded("%s", plan.Summary)
}

func (restoreRevision) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	b, err := parseRollback(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	effect, err := b.observe(ctx, c, target)
	if err != nil || effect != connectors.EffectPresent {
		return effect, err
	}
	workload, err := c.get(ctx, b.target)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	revisions, err := c.revisions(ctx, workload)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	if b.leaves(workload, revisions) {
		return connectors.EffectAbsent, nil
	}
	return effect, nil
}

// leaves says that the workload is still at the revision that it shall leave: whoever replaces
// the workload takes the annotation off, and changes no template by that.
func (b rollback) leaves(workload *unstructured.Unstructured, revisions []revision) bool {
	from, err := revisionOf(workload, revisions, b.from)
	now, _, _ := unstructured.NestedMap(workload.Object, "spec", "template")
	return err == nil && sameTemplate(now, from.template)
}
