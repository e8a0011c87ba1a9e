package analyst

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Bounds of the schema.
const (
	maxAlerts     = 256
	maxTimeline   = 256
	maxEntities   = 128
	maxPath       = 128
	maxTechniques = 64
	maxQuestions  = 256
	maxTitle      = 512
	maxReason     = 512
	maxNarrative  = 16384
)

// oldestFirst returns the alerts in the order of their first event.
func oldestFirst(alerts []v1alpha1.Alert) []v1alpha1.Alert {
	sorted := slices.Clone(alerts)
	slices.SortFunc(sorted, func(a, b v1alpha1.Alert) int {
		return cmp.Or(a.Spec.FirstSeen.Compare(b.Spec.FirstSeen.Time), strings.Compare(a.Name, b.Name))
	})
	return sorted
}

// Timeline tells what happened, oldest first. Where there is more than a case can
// show, the worst is kept.
func Timeline(alerts []v1alpha1.Alert) []v1alpha1.TimelineEntry {
	alerts = oldestFirst(alerts)
	if len(alerts) > maxTimeline {
		slices.SortStableFunc(alerts, func(a, b v1alpha1.Alert) int {
			return cmp.Compare(b.Spec.Severity.Rank(), a.Spec.Severity.Rank())
		})
		alerts = oldestFirst(alerts[:maxTimeline])
	}
	entries := make([]v1alpha1.TimelineEntry, 0, len(alerts))
	for _, a := range alerts {
		entry := v1alpha1.TimelineEntry{
			Time: a.Spec.FirstSeen, Count: max(a.Status.Count, 1), Alert: a.Name, Severity: a.Spec.Severity,
			What: cmp.Or(Plain(a.Spec.Title, maxTitle), Plain(a.Spec.Rule, maxTitle), "an alert without words"), Techniques: a.Spec.Techniques,
		}
		if a.Status.LastSeen.After(a.Spec.FirstSeen.Time) {
			until := a.Status.LastSeen
			entry.Until = &until
		}
		entries = append(entries, entry)
	}
	return entries
}
