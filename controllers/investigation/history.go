package investigation

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/analyst"
	"github.com/tocsin-dev/tocsin/internal/activity"
)

const (
	// indexRule finds the Alerts of a rule.
	indexRule = "spec.rule"
	// indexGraded finds the Investigations that a human graded.
	indexGraded = "graded"
	graded      = "true"
)

// Records answer questions about earlier cases and declared automation from the
// cache of the API server.
type Records struct{ Reader client.Reader }

// indexRecords declares the indexes that Records need.
func indexRecords(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.Alert{}, indexRule, func(o client.Object) []string {
		return []string{o.(*v1alpha1.Alert).Spec.Rule}
	})
	if err != nil {
		return err
	}
	return indexer.IndexField(ctx, &v1alpha1.Investigation{}, indexGraded, func(o client.Object) []string {
		if o.(*v1alpha1.Investigation).Spec.Grade == nil {
			return nil
		}
		return []string{graded}
	})
}

// RuleHistory tells how often a rule fired and how its cases were graded. A
// graded case counts once for each rule in it.
func (r Records) RuleHistory(ctx context.Context, namespace, rule string) (activity.RuleHistory, error) {
	var history activity.RuleHistory
	var alerts v1alpha1.AlertList
	err := r.Reader.List(ctx, &alerts, client.InNamespace(namespace), client.MatchingFields{indexRule: rule}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return history, err
	}
	cases := map[string]bool{}
	for i := range alerts.Items {
		a := &alerts.Items[i]
		history.Fired++
		if a.Spec.FirstSeen.After(history.LastFired) {
			history.LastFired = a.Spec.FirstSeen.Time
		}
		cases[a.Labels[v1alpha1.LabelInvestigation]] = true
	}
	var investigations v1alpha1.InvestigationList
	err = r.Reader.List(ctx, &investigations, client.InNamespace(namespace), client.MatchingFields{indexGraded: graded}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return history, err
	}
	for i := range investigations.Items {
		if c := &investigations.Items[i]; cases[c.Name] {
			count(&history, c.Spec.Grade.Verdict)
		}
	}
	return history, nil
}

func count(history *activity.RuleHistory, verdict v1alpha1.Verdict) {
	switch verdict {
	case v1alpha1.TruePositive:
		history.TruePositives++
	case v1alpha1.BenignPositive:
		history.BenignPositives++
	case v1alpha1.FalsePositive:
		history.FalsePositives++
	case v1alpha1.Undetermined:
		return
	}
	history.Graded++
}

// KnownAutomation lists the identities that the Analyst of a namespace declares.
func (r Records) KnownAutomation(ctx context.Context, namespace string) ([]v1alpha1.KnownAutomation, error) {
	settings, err := analyst.For(ctx, r.Reader, namespace)
	return settings.KnownAutomation, err
}
