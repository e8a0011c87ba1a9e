package investigation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/controllers/merged"
	"github.com/tocsin-dev/tocsin/controllers/urgency"
	"github.com/tocsin-dev/tocsin/internal/audit"
)

const (
	// indexJoins finds the Alerts that belong to several Investigations, by each of them.
	indexJoins = "joins"
	// indexMergedInto finds the Investigations that were merged into one.
	indexMergedInto = "status.mergedInto"
	// maxMerged cases merge into one, as many as its status can list. Further ones stay cases of their own.
	maxMerged = 64
)

func indexMerges(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.Alert{}, indexJoins, func(o client.Object) []string { return joins(o) })
	if err != nil {
		return err
	}
	return indexer.IndexField(ctx, &v1alpha1.Investigation{}, indexMergedInto, func(o client.Object) []string {
		if into := o.(*v1alpha1.Investigation).Status.MergedInto; into != "" {
			return []string{into}
		}
		return nil
	})
}

// joins are all cases that an alert belongs to, if it belongs to several.
func joins(alert client.Object) []string {
	others := alert.GetAnnotations()[v1alpha1.AnnotationJoins]
	if others == "" {
		return nil
	}
	return append(strings.Split(others, ","), alert.GetLabels()[v1alpha1.LabelInvestigation])
}

// casesOf an alert: the one it names, the one that holds the alerts of that now, and those it joins.
func (r *Reconciler) casesOf(ctx context.Context, alert client.Object) []reconcile.Request {
	name := alert.GetLabels()[v1alpha1.LabelInvestigation]
	if name == "" {
		return nil
	}
	return r.requests(ctx, alert.GetNamespace(), append(joins(alert), name)...)
}

// casesAround an Investigation: itself, the one it was merged into, and those that it could merge with.
func (r *Reconciler) casesAround(ctx context.Context, object client.Object) []reconcile.Request {
	names := []string{object.(*v1alpha1.Investigation).Status.MergedInto}
	var alerts v1alpha1.AlertList
	err := r.Client.List(ctx, &alerts, client.InNamespace(object.GetNamespace()), client.MatchingFields{indexJoins: object.GetName()}, client.UnsafeDisableDeepCopy)
	if err == nil {
		for i := range alerts.Items {
			names = append(names, joins(&alerts.Items[i])...)
		}
	}
	return append(urgency.Self(ctx, object), r.requests(ctx, object.GetNamespace(), names...)...)
}

// requests for cases and for those that hold their alerts, each once.
func (r *Reconciler) requests(ctx context.Context, namespace string, names ...string) []reconcile.Request {
	var found []reconcile.Request
	add := func(name string) {
		request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
		if name != "" && !slices.Contains(found, request) {
			found = append(found, request)
		}
	}
	for _, name := range names {
		add(name)
		if root, err := merged.Root(ctx, r.Client, types.NamespacedName{Namespace: namespace, Name: name}); name != "" && err == nil {
			add(root.Name)
		}
	}
	return found
}

// merge closes a case whose alerts belong to an older one as well. It returns true
// for a case that is merged: nothing else is done about it.
func (r *Reconciler) merge(ctx context.Context, file *caseFile) (bool, error) {
	younger, key := file.investigation, client.ObjectKeyFromObject(file.investigation)
	if younger.Status.MergedInto != "" {
		r.mergesLogged.Delete(key) // the cache shows it
	} else {
		older, err := r.older(ctx, file)
		if older == nil || err != nil {
			return false, err
		}
		before := younger.DeepCopy()
		file.mergeInto(older.Name, metav1.NewMicroTime(r.Now()))
		if err := r.recordMerge(ctx, younger); err != nil {
			return false, err
		}
		if err := r.Investigator.remember(ctx, file); err != nil {
			return false, err
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := r.Client.Status().Patch(ctx, younger, patch); err != nil {
			return false, client.IgnoreNotFound(err)
		}
	}
	r.desk.forget(key)
	r.Correlator.Merge(younger.Namespace, younger.Name, younger.Status.MergedInto)
	return true, nil
}

// older is the oldest case that shares an alert with this one and is older than it; nil
// if there is none. What a human spoke of merges with nothing. Since every merge leads
// to an older case there is no circle, whoever looks first.
func (r *Reconciler) older(ctx context.Context, file *caseFile) (*v1alpha1.Investigation, error) {
	own := file.investigation
	if file.spokenOf() {
		return nil, nil
	}
	var alerts v1alpha1.AlertList
	err := r.Client.List(ctx, &alerts, client.InNamespace(own.Namespace), client.MatchingFields{indexJoins: own.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	var oldest *v1alpha1.Investigation
	for i := range alerts.Items {
		for _, name := range joins(&alerts.Items[i]) {
			other, err := merged.Root(ctx, r.Client, types.NamespacedName{Namespace: own.Namespace, Name: name})
			if apierrors.IsNotFound(err) {
				continue // its creation comes back here
			}
			if err != nil {
				return nil, err
			}
			if !open(other) || !isOlder(other, own) || oldest != nil && !isOlder(other, oldest) {
				continue
			}
			if room, err := r.hasRoom(ctx, other, file); err != nil {
				return nil, err
			} else if room {
				oldest = other
			}
		}
	}
	return oldest, nil
}

// hasRoom says whether a case can list what would merge into it: what it could not, nobody would look at.
func (r *Reconciler) hasRoom(ctx context.Context, older *v1alpha1.Investigation, younger *caseFile) (bool, error) {
	there, err := r.mergedInto(ctx, client.ObjectKeyFromObject(older))
	return len(there)+1+len(younger.merged) <= maxMerged, err
}

// open says whether a case may take another's alerts.
func open(c *v1alpha1.Investigation) bool {
	f := caseFile{investigation: c}
	return c.Status.MergedInto == "" && !f.spokenOf() && c.DeletionTimestamp.IsZero()
}

// isOlder orders cases by age: no two are equally old.
func isOlder(a, b *v1alpha1.Investigation) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// recordMerge puts the merge into the audit log, before the status says so. A cache that
// lags behind makes no second entry.
func (r *Reconciler) recordMerge(ctx context.Context, younger *v1alpha1.Investigation) error {
	key := client.ObjectKeyFromObject(younger)
	if older, logged := r.mergesLogged.Load(key); logged && older == younger.Status.MergedInto {
		return nil
	}
	_, err := r.Investigator.Log.Append(ctx, audit.Entry{
		Time: r.Now(), Type: audit.TypeInvestigation, Namespace: younger.Namespace, Case: younger.Name, Actor: "tocsin/investigation",
		Summary: fmt.Sprintf("merged into %s with %d alerts", younger.Status.MergedInto, younger.Status.AlertCount),
		Data:    map[string]any{"mergedInto": younger.Status.MergedInto},
	})
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	r.mergesLogged.Store(key, younger.Status.MergedInto)
	return nil
}

// mergedInto lists the cases whose alerts a case holds beside its own, also in several steps.
func (r *Reconciler) mergedInto(ctx context.Context, key types.NamespacedName) ([]string, error) {
	var names []string
	for next := []string{key.Name}; len(next) > 0; next = next[1:] {
		var list v1alpha1.InvestigationList
		err := r.Client.List(ctx, &list, client.InNamespace(key.Namespace), client.MatchingFields{indexMergedInto: next[0]}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			if name := list.Items[i].Name; name != key.Name && !slices.Contains(names, name) {
				names, next = append(names, name), append(next, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// mergeInto closes the case in favour of an older one.
func (f *caseFile) mergeInto(older string, now metav1.MicroTime) {
	status, message := &f.investigation.Status, "its alerts belong to "+older+": kubectl soc case "+older
	status.MergedInto, status.ClosedAt, status.PendingApprovals = older, &now, 0
	status.ObservedGeneration, status.Alerts, status.AlertCount = f.investigation.Generation, f.listed(), int32(len(f.alerts))
	f.set(v1alpha1.ConditionEscalated, false, v1alpha1.ReasonNotEscalated, message)
	f.set(v1alpha1.ConditionClosed, true, v1alpha1.ReasonMerged, message)
	conditions.Ready(&status.Conditions, f.investigation.Generation, v1alpha1.ReasonMerged, message)
}
