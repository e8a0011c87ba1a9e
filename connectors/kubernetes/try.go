package kubernetes

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/kube"
)

// tryCreate has the API server create an object without keeping it, and shows what it made of it.
func (c *cluster) tryCreate(ctx context.Context, object client.Object) (string, error) {
	kind := object.GetObjectKind().GroupVersionKind()
	doing := "planning " + title(object)
	if err := c.Create(ctx, object, client.DryRunAll); err != nil {
		return "", c.explain(err, doing)
	}
	object.GetObjectKind().SetGroupVersionKind(kind) // the client drops it
	return kube.Diff(nil, object)
}

// tryDelete has the API server delete an object without doing it, and shows what would go.
func (c *cluster) tryDelete(ctx context.Context, object client.Object, kind metav1.TypeMeta) (string, error) {
	object.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind())
	doing := "planning to delete " + title(object)
	if err := c.Delete(ctx, object, exactly(object.GetUID()), client.DryRunAll); err != nil {
		return "", c.explain(err, doing)
	}
	object.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind())
	return kube.Diff(object, nil)
}

// tryPatch has the API server change an object that knows its kind, unless
// somebody else did since, without keeping it, and shows the difference.
func (c *cluster) tryPatch(ctx context.Context, before, after client.Object) (string, error) {
	kind := before.GetObjectKind().GroupVersionKind()
	err := c.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.DryRunAll)
	if err != nil {
		return "", c.explain(err, "planning to change "+title(before))
	}
	after.GetObjectKind().SetGroupVersionKind(kind)
	return kube.Diff(before, after)
}

// title of an object that knows its kind, for humans.
func title(object client.Object) string {
	return name(v1alpha1.TargetReference{Kind: object.GetObjectKind().GroupVersionKind().Kind, Namespace: object.GetNamespace(), Name: object.GetName()})
}
