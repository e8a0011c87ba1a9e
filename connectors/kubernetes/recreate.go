package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// recreating is an action that puts a deleted object back, which its argument holds whole.
type recreating struct {
	operation operation.Operation
	// member of the arguments that holds the object.
	member  string
	summary func(wanted *unstructured.Unstructured) string
}

func (a *recreating) describe() operation.Operation { return a.operation }

// inverse keeps an object as it must be created again.
func (a *recreating) inverse(kept *unstructured.Unstructured) (*connectors.Inverse, error) {
	return inverse(a.operation.Name, map[string]any{a.member: kept.Object})
}

// read takes the object out of arguments, with whole numbers as whole numbers.
func (a *recreating) read(arguments map[string]any) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	raw, err := json.Marshal(arguments[a.member])
	if err == nil {
		err = object.UnmarshalJSON(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", connectors.ErrInvalid, a.member, err)
	}
	return object, nil
}

// wanted is the object of the request, and what is there under its name; nil for nothing.
func (a *recreating) wanted(ctx context.Context, c *cluster, request connectors.Request) (wanted, found *unstructured.Unstructured, err error) {
	if wanted, err = a.read(request.Arguments); err != nil {
		return nil, nil, err
	}
	found, err = c.get(ctx, reference(wanted))
	switch {
	case gone(err):
		return wanted, nil, nil
	case err == nil && found.GetDeletionTimestamp() != nil:
		err = fmt.Errorf("%s is still being deleted, and can be put back once its finalizers are done: %v", name(reference(wanted)), found.GetFinalizers())
	}
	return wanted, found, err
}

// reference is without the UID, since an object that is put back gets a new one.
func reference(o *unstructured.Unstructured) v1alpha1.TargetReference {
	return v1alpha1.TargetReference{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
}

func (a *recreating) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	wanted, found, err := a.wanted(ctx, c, request)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := reference(wanted)
	plan := connectors.Plan{Target: target, Summary: a.summary(wanted)}
	if found != nil {
		plan.Target.UID, plan.Done = string(found.GetUID()), true
		return plan, same(found, wanted)
	}
	after := wanted.DeepCopy()
	if err := c.Create(ctx, after, client.DryRunAll); err != nil {
		return plan, c.explain(err, "planning to create "+name(target))
	}
	plan.Diff, err = kube.Diff(nil, after)
	return plan, err
}

// same is a conflict where another object took the name meanwhile. Annotations do not
// count: controllers write what they remember there.
func same(found, wanted *unstructured.Unstructured) error {
	now, then := reusable(found), wanted.DeepCopy()
	now.SetAnnotations(nil)
	then.SetAnnotations(nil)
	if equality.Semantic.DeepEqual(now.Object, then.Object) {
		return nil
	}
	return fmt.Errorf("%w: there is another %s by now", connectors.ErrConflict, name(reference(wanted)))
}

func (a *recreating) execute(ctx context.Context, c *cluster, request connectors.Request, _ connectors.Plan) (connectors.Result, error) {
	wanted, found, err := a.wanted(ctx, c, request)
	if err != nil {
		return failed(err)
	}
	if found == nil {
		err = c.Create(ctx, wanted.DeepCopy())
	}
	if apierrors.IsAlreadyExists(err) {
		_, found, err = a.wanted(ctx, c, request)
	}
	if err == nil && found != nil {
		err = same(found, wanted)
	}
	if err != nil {
		return failed(c.explain(err, "creating "+name(reference(wanted))))
	}
	return succeeded("%s is back", name(reference(wanted)))
}

func (a *recreating) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	wanted, found, err := a.wanted(ctx, c, request)
	switch {
	case err != nil:
		return connectors.EffectUnknown, err
	case found == nil:
		return connectors.EffectAbsent, nil
	case same(found, wanted) != nil:
		return connectors.EffectUnknown, nil
	}
	return connectors.EffectPresent, nil
}

// reusable is the object without what the API server and controllers fill in: fit to be created again.
func reusable(object *unstructured.Unstructured) *unstructured.Unstructured {
	again := object.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"} {
		unstructured.RemoveNestedField(again.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(again.Object, "status")
	if manual, _, _ := unstructured.NestedBool(again.Object, "spec", "manualSelector"); again.GetKind() == "Job" && !manual {
		withoutSelector(again)
	}
	return again
}

// withoutSelector: a Job's is made from its UID, and refused from anybody else.
func withoutSelector(job *unstructured.Unstructured) {
	unstructured.RemoveNestedField(job.Object, "spec", "selector")
	for _, meta := range [][]string{{"metadata", "labels"}, {"spec", "template", "metadata", "labels"}} {
		labels, _, _ := unstructured.NestedMap(job.Object, meta...)
		for key := range labels {
			if strings.HasSuffix(key, "controller-uid") || strings.HasSuffix(key, "job-name") {
				unstructured.RemoveNestedField(job.Object, append(meta, key)...)
			}
		}
		if left, _, _ := unstructured.NestedMap(job.Object, meta...); len(left) == 0 {
			unstructured.RemoveNestedField(job.Object, meta...)
		}
	}
}

// removePlanned deletes the target, as long as it is what was planned.
func (c *cluster) removePlanned(ctx context.Context, plan connectors.Plan) (connectors.Result, error) {
	target := plan.Target
	var stays []string
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := c.get(ctx, target)
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := sameObject(found, target); err != nil {
			return err
		}
		diff, err := kube.Diff(found, nil)
		if err != nil {
			return err
		}
		if diff != plan.Diff {
			return fmt.Errorf("%w: %s was changed since it was planned; plan again", connectors.ErrConflict, name(target))
		}
		stays = warnFinalizers(found)
		uid, version := found.GetUID(), found.GetResourceVersion()
		return client.IgnoreNotFound(c.Delete(ctx, found, client.Preconditions{UID: &uid, ResourceVersion: &version}, background))
	})
	if err != nil {
		return failed(c.explain(err, "deleting "+name(target)))
	}
	return succeeded("%s", strings.Join(append([]string{name(target) + " is deleted"}, stays...), "; "))
}

// background: what the object owns goes too.
const background = client.PropagationPolicy(metav1.DeletePropagationBackground)

// warnFinalizers: a deletion begins and does not end before they are done, and what the object owns stays as long.
func warnFinalizers(found *unstructured.Unstructured) []string {
	if len(found.GetFinalizers()) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s stays, with what it owns and grants, until its finalizers are done: %s", name(reference(found)), listed(found.GetFinalizers()))}
}
