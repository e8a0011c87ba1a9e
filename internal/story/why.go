package story

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// why shows the sum that led to the verdict, each part with its reason.
func (s Style) why(b *strings.Builder, c *v1alpha1.Investigation) {
	status := &c.Status
	if status.Score == nil || status.Prior == nil {
		fmt.Fprintf(b, "%s      no evidence was weighed yet\n", s.paint(bold, "Why"))
		return
	}
	heading := left("Why", bodyWidth+2) + right("probability", 12) + right("dB", 10)
	b.WriteString(s.paint(bold, heading) + "\n")
	s.part(b, "", "prior: "+status.PriorReason, percent(probability(*status.Prior)), decibans(*status.Prior))
	for _, e := range countingFirst(status.Evidence) {
		text := e.Finding
		if e.Note != "" {
			text += ": " + e.Note
		}
		s.part(b, e.ID, text, "", decibans(e.Weight))
	}
	b.WriteString(s.paint(bold, blank(bodyWidth+2)+right(shownProbability(status), 12)+right(decibans(*status.Score), 10)) + "\n")
}

// part of the sum, after an id of evidence or the empty string.
func (s Style) part(b *strings.Builder, id, text, probability, weight string) {
	lead := ""
	if id != "" {
		lead = left(Plain(id), 4)
	}
	width := bodyWidth - len(lead)
	lines := wrap(text, width)
	b.WriteString("  " + lead + left(lines[0], width) + right(probability, 12) + right(weight, 10) + "\n")
	for _, line := range lines[1:] {
		b.WriteString(blank(2+len(lead)) + line + "\n")
	}
}

func shownProbability(status *v1alpha1.InvestigationStatus) string {
	if status.ProbabilityPermille == nil {
		return ""
	}
	return permille(*status.ProbabilityPermille)
}

// countingFirst puts what counts for nothing last.
func countingFirst(evidence []v1alpha1.Evidence) []v1alpha1.Evidence {
	sorted := slices.Clone(evidence)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.Evidence) int { return nothing(a) - nothing(b) })
	return sorted
}

func nothing(e v1alpha1.Evidence) int {
	if e.Weight == 0 {
		return 1
	}
	return 0
}

// judged tells severity, intent and priority, each with its reason; nothing of what is not known.
func (s Style) judged(b *strings.Builder, status *v1alpha1.InvestigationStatus) {
	for _, j := range []struct{ heading, what, reason string }{
		{"Severity", string(status.Severity), status.SeverityReason},
		{"Intent", status.Intent, status.IntentReason},
		{"Priority", string(status.Priority), status.PriorityReason},
	} {
		if j.what != "" && j.reason != "" {
			fmt.Fprintf(b, "%s%s\n", s.paint(bold, j.heading)+blank(9-len(j.heading)), hanging(j.what+": "+j.reason, 9))
		}
	}
}

// Reach tells a blast radius in one line.
func Reach(r *v1alpha1.BlastRadius) string {
	if r == nil {
		return "not known"
	}
	parts := []string{
		fmt.Sprintf("%s in %s", count(int(r.Secrets), "Secret"), count(int(r.Namespaces), "namespace")),
		"exec into " + count(int(r.PodsExec), "pod"), count(int(r.Nodes), "node"),
	}
	text := strings.Join(parts, ", ")
	if r.Secrets+r.Namespaces+r.PodsExec+r.Nodes == 0 {
		text = "nothing by RBAC as read"
	}
	if len(r.Worst) > 0 {
		text += "; worst: " + strings.Join(r.Worst, ", ")
	}
	return Plain(text)
}
