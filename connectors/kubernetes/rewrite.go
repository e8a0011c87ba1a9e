package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// field is one field of an object, by its path, and its change. Nil stands for absent.
type field struct {
	path []string
	// element is what tells the item that is meant from the others, where the path leads to a list.
	element  map[string]any
	from, to any
}

// rewrite changes some fields of one object.
type rewrite struct {
	// target; its UID is empty where whatever has that name is meant.
	target v1alpha1.TargetReference
	// subresource through which the fields are changed; empty for the object itself.
	subresource string
	fields      []field
	// overwrites whatever the fields are: it is never taken back.
	overwrites bool
}

// rewriting is an action that is a rewrite and nothing else. The inverse of one
// that changes fields from what they are is one that knows what they were.
type rewriting struct {
	operation operation.Operation
	// parse reads arguments. With blind, from is not among them: any value may be overwritten.
	parse func(arguments map[string]any) (rewrite, error)
	blind bool
	// summary of a rewrite whose from is known.
	summary func(rewrite) string
	// feel returns what is taken away and what an approver should know; nil for nothing.
	feel func(ctx context.Context, c *cluster, r rewrite) (blast, error)
	// undo makes the request that takes the rewrite back; undone reads it again. Both nil for an inverse.
	undo   func(rewrite) (*connectors.Inverse, error)
	undone func(arguments map[string]any) (rewrite, error)
}

func (a *rewriting) describe() operation.Operation { return a.operation }

func (a *rewriting) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	r, err := a.parse(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	before, after, err := c.tryRewrite(ctx, &r, a.blind, nil)
	if err != nil {
		return connectors.Plan{}, err
	}
	return a.describePlan(ctx, c, r, before, after)
}

// tryRewrite has the API server make the change without keeping it. It fills in
// the UID of the target and, where blind, what the fields are now. Seen saves
// reading an object that was just read; nil for none.
func (c *cluster) tryRewrite(ctx context.Context, r *rewrite, blind bool, seen *unstructured.Unstructured) (before, after *unstructured.Unstructured, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if before, seen = seen, nil; before == nil {
			if before, err = c.load(ctx, *r); err != nil {
				return err
			}
		}
		if blind {
			r.takeFrom(before)
		} else if err := r.conflict(before); err != nil {
			return err
		}
		after, err = c.patch(ctx, *r, before, client.DryRunAll)
		return err
	})
	if err != nil {
		return nil, nil, c.explain(err, "planning to change "+name(r.target))
	}
	r.target.UID = string(before.GetUID())
	return before, after, nil
}

func (a *rewriting) describePlan(ctx context.Context, c *cluster, r rewrite, before, after *unstructured.Unstructured) (connectors.Plan, error) {
	plan := connectors.Plan{Target: r.target, Summary: a.summary(r), Done: r.effect(before) == connectors.EffectPresent}
	var err error
	if plan.Diff, err = kube.Diff(before, after); err != nil || plan.Done {
		return plan, err
	}
	if a.feel != nil {
		felt, err := a.feel(ctx, c, r)
		if err != nil {
			return plan, err
		}
		plan.Shares, plan.Warnings = felt.shares, felt.warnings
		c.captureFirst(&plan, felt.pods)
	}
	plan.Warnings = append(plan.Warnings, warnDeletion(before)...)
	if a.undo != nil {
		plan.Inverse, err = a.undo(r)
	}
	return plan, err
}

// warnDeletion: what is changed of an object that is about to go does not last.
func warnDeletion(found *unstructured.Unstructured) []string {
	if found.GetDeletionTimestamp() == nil {
		return nil
	}
	return []string{name(reference(found)) + " is being deleted already"}
}

func (a *rewriting) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	r, err := a.intended(request, plan)
	if err != nil {
		return failed(err)
	}
	changed, err := c.rewrite(ctx, r, nil)
	if err != nil {
		return failed(err)
	}
	if !changed {
		return succeeded("%s was already as planned", name(r.target))
	}
	return succeeded("%s", plan.Summary)
}

// rewrite makes the change; false without an error says that it was there
// already. Seen is as in tryRewrite.
func (c *cluster) rewrite(ctx context.Context, r rewrite, seen *unstructured.Unstructured) (changed bool, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		before := seen
		if seen = nil; before == nil {
			if before, err = c.load(ctx, r); err != nil {
				return err
			}
		}
		if err := r.conflict(before); err != nil {
			return err
		}
		if changed = r.effect(before) != connectors.EffectPresent; !changed {
			return nil
		}
		_, err = c.patch(ctx, r, before)
		return err
	})
	return changed, c.explain(err, "changing "+name(r.target))
}

// intended is the rewrite as it was planned: what the fields were then is kept in the inverse.
func (a *rewriting) intended(request connectors.Request, plan connectors.Plan) (rewrite, error) {
	r, err := a.parse(request.Arguments)
	if err != nil {
		return r, err
	}
	if plan.Target.UID == "" {
		return r, fmt.Errorf("%w: the plan names no uid, so nothing is changed", connectors.ErrInvalid)
	}
	if a.undone != nil {
		if plan.Inverse == nil {
			return r, fmt.Errorf("%w: the plan keeps no inverse, so nothing is changed", connectors.ErrInvalid)
		}
		var arguments map[string]any
		if err := json.Unmarshal(plan.Inverse.Arguments, &arguments); err != nil {
			return r, fmt.Errorf("%w: inverse: %w", connectors.ErrInvalid, err)
		}
		inverse, err := a.undone(arguments)
		if err != nil {
			return r, err
		}
		r = inverse.swapped()
	}
	r.target.UID = plan.Target.UID
	return r, nil
}

func (a *rewriting) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	r, err := a.parse(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	return c.observeRewrite(ctx, r, target)
}

func (c *cluster) observeRewrite(ctx context.Context, r rewrite, target v1alpha1.TargetReference) (connectors.Effect, error) {
	r.target.UID = target.UID
	object, err := c.load(ctx, r)
	if gone(err) {
		return connectors.EffectUnknown, nil
	}
	if err != nil {
		return connectors.EffectUnknown, err
	}
	return r.effect(object), nil
}

// load reads what the rewrite changes: the object or its subresource, which has the same UID.
func (c *cluster) load(ctx context.Context, r rewrite) (*unstructured.Unstructured, error) {
	found := blank(r.target)
	var err error
	if r.subresource == "" {
		err = c.Get(ctx, client.ObjectKeyFromObject(found), found)
	} else {
		owner := blank(r.target)
		found = blank(v1alpha1.TargetReference{APIVersion: "autoscaling/v1", Kind: "Scale"})
		err = c.SubResource(r.subresource).Get(ctx, owner, found)
	}
	if err != nil {
		return nil, c.explain(err, "reading "+name(r.target))
	}
	if r.target.UID == "" {
		return found, nil
	}
	return found, sameObject(found, r.target)
}

// patch makes the change, unless the object was changed since it was read.
func (c *cluster) patch(ctx context.Context, r rewrite, before *unstructured.Unstructured, options ...client.PatchOption) (*unstructured.Unstructured, error) {
	after := before.DeepCopy()
	for _, f := range r.fields {
		if err := f.set(after); err != nil {
			return nil, err
		}
	}
	locked := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if r.subresource == "" {
		return after, c.Patch(ctx, after, locked, options...)
	}
	through := &client.SubResourcePatchOptions{SubResourceBody: after}
	for _, option := range options {
		option.ApplyToPatch(&through.PatchOptions)
	}
	return after, c.SubResource(r.subresource).Patch(ctx, blank(r.target), locked, through)
}

func (r rewrite) takeFrom(object *unstructured.Unstructured) {
	for i, f := range r.fields {
		r.fields[i].from = f.value(object)
	}
}

// conflict is an error where a field is neither as it was nor as it shall be: somebody else changed it.
func (r rewrite) conflict(object *unstructured.Unstructured) error {
	if r.overwrites {
		return nil
	}
	for _, f := range r.fields {
		now := f.value(object)
		if !equality.Semantic.DeepEqual(now, f.from) && !equality.Semantic.DeepEqual(now, f.to) {
			return fmt.Errorf("%w: %s of %s is %s, neither %s as it was nor %s as it shall be: somebody changed it, look and plan again",
				connectors.ErrConflict, strings.Join(f.path, "."), name(r.target), shown(now), shown(f.from), shown(f.to))
		}
	}
	return nil
}

func (r rewrite) effect(object *unstructured.Unstructured) connectors.Effect {
	there := 0
	for _, f := range r.fields {
		if equality.Semantic.DeepEqual(f.value(object), f.to) {
			there++
		}
	}
	return effectOf(there, len(r.fields))
}

// effectOf tells the effect from how many of its parts are there.
func effectOf(there, all int) connectors.Effect {
	switch there {
	case all:
		return connectors.EffectPresent
	case 0:
		return connectors.EffectAbsent
	}
	return connectors.EffectPartial
}

func (r rewrite) swapped() rewrite {
	back := rewrite{target: r.target, subresource: r.subresource}
	for _, f := range r.fields {
		back.fields = append(back.fields, field{path: f.path, element: f.element, from: f.to, to: f.from})
	}
	return back
}

// value is nil where the field is absent.
func (f field) value(object *unstructured.Unstructured) any {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, f.path...)
	if f.element == nil {
		return value
	}
	list, _ := value.([]any)
	if at := f.index(list); at >= 0 {
		return list[at]
	}
	return nil
}

// set gives the field its new value.
func (f field) set(object *unstructured.Unstructured) error {
	to := f.to
	if f.element != nil {
		list, _, err := unstructured.NestedSlice(object.Object, f.path...)
		if err != nil {
			return err
		}
		to = f.replaced(list)
	}
	if to == nil {
		unstructured.RemoveNestedField(object.Object, f.path...)
		return nil
	}
	return unstructured.SetNestedField(object.Object, to, f.path...)
}

// replaced is the list with the element as it shall be; nil for an empty one, which
// the API server leaves out.
func (f field) replaced(list []any) any {
	at := f.index(list)
	switch {
	case at >= 0 && f.to == nil:
		list = slices.Delete(list, at, at+1)
	case at >= 0:
		list[at] = f.to
	case f.to != nil:
		list = append(list, f.to)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (f field) index(list []any) int {
	return slices.IndexFunc(list, func(item any) bool {
		object, _ := item.(map[string]any)
		for key, value := range f.element {
			if object[key] != value {
				return false
			}
		}
		return object != nil
	})
}

// maxShown bounds a value in a message, in characters.
const maxShown = 128

func shown(value any) string {
	if value == nil {
		return "absent"
	}
	return shorten.Characters(fmt.Sprintf("%q", fmt.Sprint(value)), maxShown)
}
