package analyst

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// Lines that a section of the narrative has at most.
const maxLines = 24

// narrative tells the case in plain sentences, a line each: what happened, why this
// verdict, what speaks against it, what is known besides, what is not, what to do. Words that an attacker
// may have written are quoted.
func narrative(d Dossier, s v1alpha1.InvestigationStatus, priority string) string {
	var b strings.Builder
	section(&b, "What happened", happened(s.Timeline))
	section(&b, "Why "+string(s.Verdict), why(d, s, priority))
	section(&b, "What speaks against it", against(s))
	section(&b, "Known of the pods", d.Known)
	section(&b, "Not known", notKnown(d.Unanswered))
	section(&b, "What to do", toDo(d, s))
	return shorten.Characters(strings.TrimSuffix(b.String(), "\n"), maxNarrative)
}

func section(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString(title + "\n")
	for i, line := range lines {
		if i == maxLines {
			fmt.Fprintf(b, "  … and %d more\n", len(lines)-maxLines)
			return
		}
		b.WriteString("  " + Plain(line, 400) + "\n")
	}
}

func happened(timeline []v1alpha1.TimelineEntry) []string {
	lines := make([]string, 0, len(timeline))
	for _, e := range timeline {
		line := e.Time.UTC().Format("15:04:05") + " " + Plain(e.What, 240)
		if e.Count > 1 {
			line += fmt.Sprintf(" (%d times", e.Count)
			if e.Until != nil {
				line += " until " + e.Until.UTC().Format("15:04:05")
			}
			line += ")"
		}
		for _, t := range e.Techniques[:min(len(e.Techniques), 4)] {
			line += " " + string(t)
		}
		lines = append(lines, line)
	}
	return lines
}

func why(d Dossier, s v1alpha1.InvestigationStatus, priority string) []string {
	c := d.Conclusion
	var lines []string
	if d.Grade != nil {
		lines = append(lines, fmt.Sprintf("%s graded it %s: %s. The analyst had concluded %s.",
			Plain(d.Grade.By, 128), d.Grade.Verdict, Plain(d.Grade.Reason, 200), c.Verdict))
	}
	lines = append(lines, fmt.Sprintf("Before any evidence: %s (%s).", Plain(c.PriorReason, 300), decibans(c.Prior)))
	benign := c.Verdict == v1alpha1.BenignPositive || c.Verdict == v1alpha1.FalsePositive
	for _, e := range byWeight(c.Evidence) {
		if e.Weight != 0 && (e.Weight < 0) == benign {
			lines = append(lines, evidenceLine(e))
		}
	}
	return append(lines, fmt.Sprintf("Together %s: a probability of %s that this is an attack. Priority %s: %s.",
		decibans(c.Score), percent(c.ProbabilityPermille), s.Priority, priority))
}

// against lists what counts the other way, and what would have if it could be trusted.
func against(s v1alpha1.InvestigationStatus) []string {
	benign := s.Verdict == v1alpha1.BenignPositive || s.Verdict == v1alpha1.FalsePositive
	var lines []string
	for _, e := range byWeight(s.Evidence) {
		otherWay := e.Weight != 0 && (e.Weight < 0) != benign
		if otherWay || e.Weight == 0 && e.Claimed < 0 {
			lines = append(lines, evidenceLine(e))
		}
	}
	return lines
}

func evidenceLine(e v1alpha1.Evidence) string {
	finding := Plain(e.Finding, 240)
	if e.Provenance == v1alpha1.ProvenanceAttackerWritable {
		finding = quote(e.Finding, 240)
	}
	line := fmt.Sprintf("%s: %s (%s)", e.ID, finding, decibans(e.Weight))
	if e.Note != "" {
		line += ", " + Plain(e.Note, 120)
	}
	return line
}

// byWeight orders evidence by size, the same sizes by number.
func byWeight(evidence []v1alpha1.Evidence) []v1alpha1.Evidence {
	sorted := slices.Clone(evidence)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.Evidence) int { return int(abs(b.Weight) - abs(a.Weight)) })
	return sorted
}

func notKnown(unanswered []string) []string {
	var lines []string
	for _, u := range unanswered {
		lines = append(lines, Plain(u, 240))
	}
	return lines
}

func toDo(d Dossier, s v1alpha1.InvestigationStatus) []string {
	switch {
	case d.Grade != nil:
		return []string{"Nothing more is awaited; spec.state: Closed closes the case."}
	case s.Verdict == v1alpha1.TruePositive:
		return []string{"Approve or deny the proposed actions (kubectl soc pending), then grade the case (kubectl soc grade)."}
	case d.Conclusion.Escalate:
		return []string{"A human decides: " + Plain(d.Conclusion.EscalateReason, 300) + ". Grade the case (kubectl soc grade)."}
	}
	return []string{"Nothing: the case closes by itself. Grade it if that is wrong, and the next one will be judged by it."}
}
