package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/connectors"
)

// revision is a pod template that a workload has or had.
type revision struct {
	name   string
	number int64
	// uid and generation of what keeps it: its template is the same as long as they are.
	uid        types.UID
	generation int64
	template   map[string]any
}

// bound is the line of a diff that binds an approval to the whole template: values of environment
// variables are not shown, so that whoever changes one would change nothing else of the diff.
func (r revision) bound() string {
	return fmt.Sprintf("+template of revision %s (uid %s, generation %d), with the values that are not shown\n", r.name, r.uid, r.generation)
}

// revisionsOf reads the number and the template of what keeps a revision.
var revisionsOf = map[string]struct {
	kind string
	read func(*unstructured.Unstructured) revision
}{
	"Deployment":  {"ReplicaSet", ofReplicaSet},
	"StatefulSet": {"ControllerRevision", ofControllerRevision},
	"DaemonSet":   {"ControllerRevision", ofControllerRevision},
}

func ofReplicaSet(set *unstructured.Unstructured) revision {
	number, _ := strconv.ParseInt(set.GetAnnotations()["deployment.kubernetes.io/revision"], 10, 64)
	template, _, _ := unstructured.NestedMap(set.Object, "spec", "template")
	// The Deployment's controller adds it.
	unstructured.RemoveNestedField(template, "metadata", "labels", "pod-template-hash")
	return revision{name: set.GetName(), number: number, template: template}
}

func ofControllerRevision(kept *unstructured.Unstructured) revision {
	number, _, _ := unstructured.NestedInt64(kept.Object, "revision")
	template, _, _ := unstructured.NestedMap(kept.Object, "data", "spec", "template")
	// Its data is a patch.
	delete(template, "$patch")
	return revision{name: kept.GetName(), number: number, template: template}
}

// revisions of a workload, the latest first.
func (c *cluster) revisions(ctx context.Context, workload *unstructured.Unstructured) ([]revision, error) {
	keeper := revisionsOf[workload.GetKind()]
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(apiVersions[keeper.kind])
	list.SetKind(keeper.kind + "List")
	if err := c.List(ctx, list, client.InNamespace(workload.GetNamespace())); err != nil {
		return nil, c.explain(err, "listing the revisions of "+name(reference(workload)))
	}
	var found []revision
	for i := range list.Items {
		if !metav1.IsControlledBy(&list.Items[i], workload) {
			continue
		}
		r := keeper.read(&list.Items[i])
		r.uid, r.generation = list.Items[i].GetUID(), list.Items[i].GetGeneration()
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b revision) int {
		return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(b.name, a.name))
	})
	return found, nil
}

// previous returns the revision that a workload is at, and the latest of the others.
func (c *cluster) previous(ctx context.Context, workload *unstructured.Unstructured) (current, previous revision, err error) {
	revisions, err := c.revisions(ctx, workload)
	if err != nil {
		return current, previous, err
	}
	now, _, _ := unstructured.NestedMap(workload.Object, "spec", "template")
	is := func(r revision) bool { return sameTemplate(now, r.template) }
	at := slices.IndexFunc(revisions, is)
	if at < 0 {
		// Not for good: its controller will keep one.
		return current, previous, fmt.Errorf("the template of %s is none of its revisions yet", name(reference(workload)))
	}
	others := slices.DeleteFunc(slices.Clone(revisions), is)
	if len(others) == 0 {
		return current, previous, fmt.Errorf("%w: %s has no other revision than %d: nothing was rolled out before, or spec.revisionHistoryLimit keeps none",
			connectors.ErrNotFound, name(reference(workload)), revisions[at].number)
	}
	return revisions[at], others[0], nil
}

// revisionOf finds a revision by its name.
func revisionOf(workload *unstructured.Unstructured, revisions []revision, wanted string) (revision, error) {
	at := slices.IndexFunc(revisions, func(r revision) bool { return r.name == wanted })
	if at < 0 {
		return revision{}, fmt.Errorf("%w: %s has no revision %s any more: spec.revisionHistoryLimit keeps the latest only",
			connectors.ErrNotFound, name(reference(workload)), wanted)
	}
	return revisions[at], nil
}

// sameTemplate leaves out what older API servers write into every template.
func sameTemplate(a, b any) bool {
	return equality.Semantic.DeepEqual(withoutCreation(a), withoutCreation(b))
}

func withoutCreation(template any) map[string]any {
	as, _ := template.(map[string]any)
	as = runtime.DeepCopyJSON(as)
	unstructured.RemoveNestedField(as, "metadata", "creationTimestamp")
	return as
}
