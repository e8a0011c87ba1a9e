package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/correlate"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

// restore brings back what lives in memory before the first event is processed:
// open cases, and every rule that is in force. It tells the archive of every alert, in
// case it was lost; of cases it hears when they are looked at after a start.
type restore struct {
	reader  client.Reader
	cases   *correlate.Index
	archive ingest.Archive
	rules   *configuration.Seen
}

func (r *restore) run(ctx context.Context) error {
	if err := r.openCases(ctx); err != nil {
		return fmt.Errorf("restore open cases: %w", err)
	}
	// A rule that was not checked yet would miss events; one that is refused says so itself.
	return r.rules.Await(ctx, r.reader, &v1alpha1.DetectionRuleList{})
}

func (r *restore) openCases(ctx context.Context) error {
	var investigations v1alpha1.InvestigationList
	if err := r.reader.List(ctx, &investigations); err != nil {
		return err
	}
	closed, merged := map[types.NamespacedName]bool{}, map[types.NamespacedName]string{}
	for i := range investigations.Items {
		c := &investigations.Items[i]
		if into := c.Status.MergedInto; into != "" {
			merged[client.ObjectKeyFromObject(c)] = into
			r.cases.Merge(c.Namespace, c.Name, into)
			continue
		}
		byHuman := c.Spec.Grade != nil || c.Spec.State == v1alpha1.StateClosed
		if byHuman || meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionClosed) {
			closed[client.ObjectKeyFromObject(c)] = true
			r.cases.Close(c.Namespace, c.Name, byHuman)
		}
	}
	var alerts v1alpha1.AlertList
	if err := r.reader.List(ctx, &alerts); err != nil {
		return err
	}
	fired := make([]archive.Alert, 0, len(alerts.Items))
	for i := range alerts.Items {
		a := &alerts.Items[i]
		fired = append(fired, archive.Alert{Namespace: a.Namespace, Name: a.Name, Rule: a.Spec.Rule, FirstSeen: a.Spec.FirstSeen.Time})
		name := types.NamespacedName{Namespace: a.Namespace, Name: a.Labels[v1alpha1.LabelInvestigation]}
		holder := name
		for steps := 0; merged[holder] != "" && steps < len(merged); steps++ {
			holder.Name = merged[holder]
		}
		if name.Name != "" && !closed[holder] {
			r.cases.Opened(name.Namespace, name.Name, a.Name, a.Spec)
		}
	}
	return r.archive.PutAlerts(ctx, fired...)
}
