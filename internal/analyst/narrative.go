package analyst

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// Bounds of the sections of the narrative, so that none crowds out the next: together
// they fit.
const (
	maxLines    = 24
	maxLine     = 640
	maxHappened = 4400
	maxReasons  = 3100
	maxSection  = 1650
)

// narrative tells the case in plain sentences, a line each: what happened, why this
// verdict, what speaks against it, what is not known, what to do; and what is known of the
// pods, if anything is. Every other part is there, whatever the verdict; every claim names its evidence, alert or question. Words that an
// attacker may have written are quoted.
func narrative(d Dossier, s v1alpha1.InvestigationStatus) string {
	var b strings.Builder
	shown := worstEntries(s.Timeline, maxLines/2)
	section(&b, "What happened ("+dated(shown)+")", happened(d, s, shown), maxHappened)
	if len(d.Beside) > 0 {
		section(&b, "What the actors did besides", d.Beside, maxSection)
	}
	section(&b, "Why "+string(s.Verdict), why(d, s), maxReasons)
	section(&b, "What speaks against it", against(s), maxSection)
	if len(d.Known) > 0 {
		section(&b, "Known of the pods", sentences(d.Known), maxSection)
	}
	section(&b, "Not known", notKnown(d), maxSection)
	section(&b, "What to do", toDo(d, s), maxSection)
	return shorten.Characters(strings.TrimSuffix(b.String(), "\n"), maxNarrative)
}

func section(b *strings.Builder, title string, lines []string, room int) {
	b.WriteString(title + "\n")
	for i, line := range lines {
		line = Plain(line, maxLine)
		room -= len([]rune(line)) + 3
		if i == maxLines || room < 0 {
			fmt.Fprintf(b, "  … and %d more.\n", len(lines)-i)
			return
		}
		b.WriteString("  " + line + "\n")
	}
}

func sentences(lines []string) []string {
	var ended []string
	for _, line := range lines {
		ended = append(ended, line+".")
	}
	return ended
}

// happened tells the timeline; of a long one the worst, in order.
func happened(d Dossier, s v1alpha1.InvestigationStatus, shown []v1alpha1.TimelineEntry) []string {
	var lines []string
	if len(d.Merged) > 0 {
		lines = append(lines, fmt.Sprintf("It is one intrusion with %s, whose alerts are counted here.", Plain(and(d.Merged, 4), 300)))
	}
	layout := time.TimeOnly
	if day(shown) == "" {
		layout = time.DateTime
	}
	room := min(maxHappened/max(len(shown), 1)-160, maxTitle)
	for _, e := range shown {
		lines = append(lines, entryLine(e, layout, room, s.Evidence))
	}
	switch left := int(s.AlertCount) - len(shown); {
	case s.AlertCount == 0:
		lines = append(lines, "No alert is known.")
	case left > 0:
		lines = append(lines, fmt.Sprintf("%d further alerts state nothing worse: the timeline and the Alerts tell them.", left))
	}
	return lines
}

// dated tells once what holds for all times of day below it.
func dated(shown []v1alpha1.TimelineEntry) string { return strings.TrimPrefix(day(shown)+" UTC", " ") }

// day of all that is shown; empty if it is not one.
func day(shown []v1alpha1.TimelineEntry) string {
	on := ""
	for _, e := range shown {
		times := []time.Time{e.Time.Time}
		if e.Until != nil {
			times = append(times, e.Until.Time)
		}
		for _, t := range times {
			if date := t.UTC().Format(time.DateOnly); on == "" {
				on = date
			} else if date != on {
				return ""
			}
		}
	}
	return on
}

func worstEntries(timeline []v1alpha1.TimelineEntry, most int) []v1alpha1.TimelineEntry {
	if len(timeline) <= most {
		return timeline
	}
	worst := slices.Clone(timeline)
	slices.SortStableFunc(worst, func(a, b v1alpha1.TimelineEntry) int { return cmp.Compare(b.Severity.Rank(), a.Severity.Rank()) })
	worst = worst[:most]
	slices.SortStableFunc(worst, func(a, b v1alpha1.TimelineEntry) int { return a.Time.Compare(b.Time.Time) })
	return worst
}

func entryLine(e v1alpha1.TimelineEntry, layout string, room int, evidence []v1alpha1.Evidence) string {
	line := "At " + e.Time.UTC().Format(layout) + " " + quoteEnds(e.What, room)
	if e.Count > 1 {
		line += fmt.Sprintf(", %d times", e.Count)
		if e.Until != nil {
			line += fmt.Sprintf(" in %s, until %s", e.Until.Sub(e.Time.Time).Round(time.Second), e.Until.UTC().Format(layout))
		}
	}
	var marks []string
	for _, t := range e.Techniques[:min(len(e.Techniques), 4)] {
		marks = append(marks, string(t))
	}
	ids := counting(evidence)[e.Alert]
	if len(ids) == 0 {
		ids = []string{"alert " + Plain(e.Alert, 100)}
	}
	return line + " (" + strings.Join(append(marks, ids[:min(len(ids), 8)]...), ", ") + ")."
}

func why(d Dossier, s v1alpha1.InvestigationStatus) []string {
	c := d.Conclusion
	var lines []string
	if d.Grade != nil {
		lines = append(lines, fmt.Sprintf("%s graded it %s: %s. The analyst had concluded %s.",
			Plain(d.Grade.By, 128), d.Grade.Verdict, quote(d.Grade.Reason, 180), c.Verdict))
	}
	lines = append(lines,
		fmt.Sprintf("The evidence and what was known before add up to %s: a probability of %s that this is an attack.", decibans(c.Score), chance(c)),
		fmt.Sprintf("Before any evidence: %s (%s).", Plain(c.PriorReason, 480), decibans(c.Prior)))
	lines = append(lines, judged(s)...)
	lines = append(lines, unspoken(d.Alerts, s.Evidence)...)
	if speaks := speaking(s, true); len(speaks) > 0 {
		return append(lines, speaks...)
	}
	if benign(s.Verdict) {
		return append(lines, "No evidence speaks for it.")
	}
	return append(lines, "No evidence speaks for an attack.")
}

// judged tells severity, intent and priority, whose reasons name what they rest on.
func judged(s v1alpha1.InvestigationStatus) []string {
	lines := []string{fmt.Sprintf("Severity %s: %s.", s.Severity, Plain(s.SeverityReason, 360))}
	switch {
	case s.Intent != "":
		lines = append(lines, fmt.Sprintf("Likely intent: %s, since %s.", s.Intent, Plain(s.IntentReason, 320)))
	case !benign(s.Verdict):
		lines = append(lines, "Its intent is not known: no alert names a technique of ATT&CK that says.")
	}
	return append(lines, fmt.Sprintf("Priority %s: %s.", s.Priority, Plain(s.PriorityReason, 360)))
}

// against lists what counts the other way, and what would have if it could be trusted.
func against(s v1alpha1.InvestigationStatus) []string {
	lines := speaking(s, false)
	if len(lines) == 0 {
		return []string{"Nothing that was found."}
	}
	return lines
}

// speaking is the evidence for a verdict, or against it. Against it is also what would
// lower suspicion if it could be trusted, or held for all of the case.
func speaking(s v1alpha1.InvestigationStatus, forIt bool) []string {
	lowers := benign(s.Verdict)
	var lines []string
	for _, e := range byWeight(s.Evidence) {
		counts := e.Weight != 0 && ((e.Weight < 0) == lowers) == forIt
		void := e.Weight == 0 && e.Claimed < 0 && !lowers && !strings.HasPrefix(e.Note, countedOnce)
		if counts || !forIt && void {
			lines = append(lines, evidenceLine(e, s.Evidence))
		}
	}
	return lines
}

func evidenceLine(e v1alpha1.Evidence, all []v1alpha1.Evidence) string {
	told := found(e, 420)
	switch {
	case e.Note == "":
		return fmt.Sprintf("%s: %s (%s).", e.ID, told, decibans(e.Weight))
	case e.Weight == 0:
		return fmt.Sprintf("%s: %s (not counted: %s).", e.ID, told, noted(e.Note, all))
	}
	return fmt.Sprintf("%s: %s (%s; %s).", e.ID, told, decibans(e.Weight), noted(e.Note, all))
}

// found is what evidence says, in quotes if somebody else may have worded it.
func found(e v1alpha1.Evidence, most int) string {
	if e.Provenance == v1alpha1.ProvenanceAttackerWritable {
		return quoteEnds(e.Finding, most)
	}
	return ends(e.Finding, most)
}

// noted is a note that names other evidence by its number where that is shown.
func noted(note string, all []v1alpha1.Evidence) string {
	at := slices.IndexFunc(all, func(e v1alpha1.Evidence) bool { return note == Plain(notAsEver+e.Finding, 256) })
	if at >= 0 {
		return notAsEver + all[at].ID
	}
	return Plain(note, 160)
}

// byWeight orders evidence by size, the same sizes by number.
func byWeight(evidence []v1alpha1.Evidence) []v1alpha1.Evidence {
	sorted := slices.Clone(evidence)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.Evidence) int { return int(abs(b.Weight) - abs(a.Weight)) })
	return sorted
}
