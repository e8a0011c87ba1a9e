package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// annotationRollback on a workload holds the key of the action that rolled it back.
// Without it, rolling back again would go forth again.
const annotationRollback = v1alpha1.Group + "/rolled-back-by"

// rollback is a change of a workload's template from one of its revisions to another.
type rollback struct {
	target v1alpha1.TargetReference
	// from and to are names of its revisions.
	from, to string
	// marked and mark are what the annotation is before and after; nil for none.
	marked, mark *string
}

// rewrite takes both templates from the revisions, which hold what must not be kept
// elsewhere: environment variables and command lines.
func (b rollback) rewrite(workload *unstructured.Unstructured, from, to revision) rewrite {
	template := field{path: []string{"spec", "template"}, from: from.template, to: to.template}
	if now := template.value(workload); sameTemplate(now, from.template) {
		template.from = now
	}
	return rewrite{target: b.target, fields: []field{template, b.marking()}}
}

func (b rollback) marking() field {
	return field{path: annotationMarking.path(annotationRollback), from: optional(b.marked), to: optional(b.mark)}
}

// apply changes the template, unless somebody else did meanwhile, that or the revision of the planned diff.
func (b rollback) apply(ctx context.Context, c *cluster, diff string) error {
	workload, err := c.get(ctx, b.target)
	if err == nil {
		err = sameObject(workload, b.target)
	}
	if err != nil {
		return err
	}
	revisions, err := c.revisions(ctx, workload)
	if err != nil {
		return err
	}
	from, err := revisionOf(workload, revisions, b.from)
	if err != nil {
		return err
	}
	to, err := revisionOf(workload, revisions, b.to)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(diff, to.bound()) {
		return fmt.Errorf("%w: revision %s was changed since it was planned; plan again", connectors.ErrConflict, to.name)
	}
	_, err = c.rewrite(ctx, b.rewrite(workload, from, to), workload)
	return err
}

// observe looks for the annotation, which is written together with the template: that may
// come back from the API server with fields filled in that a revision of an older one has not.
func (b rollback) observe(ctx context.Context, c *cluster, target v1alpha1.TargetReference) (connectors.Effect, error) {
	return c.observeRewrite(ctx, rewrite{target: b.target, fields: []field{b.marking()}}, target)
}

// rollbackWorkload gives a workload the template of the revision before the current one.
type rollbackWorkload struct{}

func (rollbackWorkload) describe() operation.Operation {
	return operation.Operation{
		Name: "rollback-workload", Summary: "Go back to a workload's revision before the current one",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: properties("kind", rolledKinds, "namespace", namespaceSchema, "name", nameSchema), Result: noResult,
	}
}

func (rollbackWorkload) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[object](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	workload, err := c.get(ctx, a.target())
	if err != nil {
		return connectors.Plan{}, err
	}
	b := rollback{target: a.target(), mark: &request.Key}
	b.target.UID = string(workload.GetUID())
	b.marked = pointer(b.marking().value(workload))
	plan := connectors.Plan{Target: b.target, Summary: "roll back " + name(b.target)}
	if plan.Done = b.marked != nil && *b.marked == request.Key; plan.Done {
		return plan, nil
	}
	current, previous, err := c.previous(ctx, workload)
	if err != nil {
		return plan, err
	}
	b.from, b.to = current.name, previous.name
	plan.Summary += fmt.Sprintf(" from revision %d to %d", current.number, previous.number)
	plan.Warnings = append(warnRollout(workload, "rolled back"), warnDeletion(workload)...)
	c.captureReplaced(ctx, &plan, workload)
	if plan.Diff, err = b.diff(ctx, c, current, previous, workload); err != nil {
		return plan, err
	}
	plan.Inverse, err = b.inverse()
	return plan, err
}

func (b rollback) diff(ctx context.Context, c *cluster, from, to revision, workload *unstructured.Unstructured) (string, error) {
	r := b.rewrite(workload, from, to)
	before, after, err := c.tryRewrite(ctx, &r, false, workload)
	if err != nil {
		return "", err
	}
	shown, err := kube.Diff(before, after)
	return shown + to.bound(), err
}

func (rollbackWorkload) execute(ctx context.Context, c *cluster, _ connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	if plan.Inverse == nil {
		return failed(fmt.Errorf("%w: the plan keeps no inverse, so nothing is changed", connectors.ErrInvalid))
	}
	var arguments map[string]any
	if err := json.Unmarshal(plan.Inverse.Arguments, &arguments); err != nil {
		return failed(fmt.Errorf("%w: inverse: %w", connectors.ErrInvalid, err))
	}
	back, err := parseRollback(arguments)
	if err != nil {
		return failed(err)
	}
	b := rollback{target: plan.Target, from: back.to, to: back.from, marked: back.mark, mark: back.marked}
	if err := b.apply(ctx, c, plan.Diff); err != nil {
		return failed(err)
	}
	return succeeded("%s", plan.Summary)
}

func (rollbackWorkload) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	a, err := decode[object](request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	return rollback{target: a.target(), mark: &request.Key}.observe(ctx, c, target)
}
