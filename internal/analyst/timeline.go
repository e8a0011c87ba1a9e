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
			What: Plain(what(&a.Spec), maxTitle), Techniques: a.Spec.Techniques,
		}
		if a.Status.LastSeen.After(a.Spec.FirstSeen.Time) {
			until := a.Status.LastSeen
			entry.Until = &until
		}
		entries = append(entries, entry)
	}
	return entries
}

// seen are the attributes of sensors that say most of what ran and what it touched.
var seen = []struct {
	attribute, words string
	most             int
}{
	{"proc.cmdline", "runs", 220}, {"proc.pname", "started by", 32}, {"fd.name", "on", 80},
}

// what happened, in the words of its alert, and what a sensor says beside them.
func what(spec *v1alpha1.AlertSpec) string {
	title := cmp.Or(Plain(spec.Title, maxTitle), Plain(spec.Rule, maxTitle), "an alert without words")
	var more []string
	for _, s := range seen {
		if value := spec.Attributes[s.attribute]; value != "" && !strings.Contains(title, Plain(value, maxTitle)) {
			more = append(more, s.words+" "+quoteEnds(value, s.most))
		}
	}
	if len(more) == 0 {
		return title
	}
	beside := ": " + strings.Join(more, ", ")
	return Plain(title, maxTitle-len([]rune(beside))) + beside
}
