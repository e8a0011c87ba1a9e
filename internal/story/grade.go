package story

import (
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Conclusion shows what a human must know who is about to grade a case: what the
// analyst makes of it, by which sum, and who graded it before.
func (s Style) Conclusion(c *v1alpha1.Investigation) string {
	var b strings.Builder
	b.WriteString(s.heading(c) + "\n")
	text := "the analyst concluded " + AnalystVerdict(c)
	if p := c.Status.ProbabilityPermille; p != nil {
		text += fmt.Sprintf(": a probability of %s that it is an attack", permille(*p))
	}
	b.WriteString(hanging(text, 0) + "\n")
	if g := c.Spec.Grade; g != nil {
		b.WriteString(hanging(fmt.Sprintf("graded %s by %s: %s", g.Verdict, g.By, g.Reason), 0) + "\n")
	}
	b.WriteString("\n")
	s.why(&b, c)
	return b.String()
}

// AnalystVerdict is what the analyst concludes, also of a case that a human graded.
func AnalystVerdict(c *v1alpha1.Investigation) string {
	switch {
	case c.Status.AnalystVerdict != "":
		return string(c.Status.AnalystVerdict)
	case c.Spec.Grade == nil && c.Status.Verdict != "":
		return string(c.Status.Verdict)
	}
	return "nothing that is known"
}
