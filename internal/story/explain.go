package story

import (
	"fmt"
	"math"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Explain writes the sum behind a verdict line by line, so that a person can do
// it again by hand. The thresholds are nil where the reader may not see them.
func (s Style) Explain(c *v1alpha1.Investigation, thresholds *v1alpha1.Thresholds) string {
	var b strings.Builder
	b.WriteString(s.heading(c) + "\n\n")
	if c.Status.Score == nil || c.Status.Prior == nil {
		b.WriteString("No evidence was weighed yet: " + hanging(underWay(c), 0) + "\n")
	} else {
		s.sum(&b, &c.Status)
		s.conversion(&b, &c.Status)
	}
	s.verdict(&b, c, thresholds)
	s.questions(&b, c.Status.Questions)
	return b.String()
}

// Columns of the sum.
const (
	sumWidth    = 72
	figureWidth = 10
)

func (s Style) sum(b *strings.Builder, status *v1alpha1.InvestigationStatus) {
	heading := left("The sum, in dB (10 dB = ten times the odds)", sumWidth) + right("claimed", figureWidth) + right("counts", figureWidth)
	b.WriteString(s.paint(bold, heading) + "\n")
	s.addend(b, "prior", fmt.Sprintf("%s = %s", status.PriorReason, percent(probability(*status.Prior))), "", decibans(*status.Prior))
	total := *status.Prior
	for _, e := range status.Evidence {
		total += e.Weight
		s.addend(b, e.ID, e.Finding, decibans(e.Claimed), decibans(e.Weight))
		b.WriteString(blank(9) + s.paint(dim, hanging(origin(e), 9)) + "\n")
	}
	b.WriteString(s.paint(bold, left("  total", sumWidth)+right(decibans(*status.Score), 2*figureWidth)) + "\n")
	if total != *status.Score {
		b.WriteString(s.paint(red, hanging(fmt.Sprintf(
			"  The parts add up to %s, but the case says %s: one of them was changed.", decibans(total), decibans(*status.Score)), 2)) + "\n")
	}
}

func (s Style) addend(b *strings.Builder, id, text, claimed, counts string) {
	lines := wrap(text, sumWidth-9)
	b.WriteString("  " + left(Plain(id), 7) + left(lines[0], sumWidth-9) + right(claimed, figureWidth) + right(counts, figureWidth) + "\n")
	for _, line := range lines[1:] {
		b.WriteString(blank(9) + line + "\n")
	}
}

// origin is where a finding comes from, and why it counts as it does.
func origin(e v1alpha1.Evidence) string {
	parts := []string{"from " + e.Question}
	if e.Alert != "" {
		parts[0] += " about alert " + e.Alert
	}
	if e.Provenance == v1alpha1.ProvenanceTrusted {
		parts = append(parts, "trusted")
	} else {
		parts = append(parts, "attacker-writable")
	}
	if e.Group != "" {
		parts = append(parts, "group "+e.Group)
	}
	if e.Note != "" {
		parts = append(parts, e.Note)
	}
	return strings.Join(parts, "; ")
}

func (s Style) conversion(b *strings.Builder, status *v1alpha1.InvestigationStatus) {
	score := *status.Score
	p := probability(score)
	fmt.Fprintf(b, "\nprobability = 1 / (1 + 10^(-dB/10)) = 1 / (1 + 10^(%+.1f/10)) = %.3f %%", -float64(score)/10, 100*p)
	if shown := status.ProbabilityPermille; shown != nil && math.Abs(float64(*shown)-1000*p) > 0.5 {
		fmt.Fprintf(b, ", shown as %s: nothing is certain", permille(*shown))
	}
	b.WriteString("\n")
}

// verdict says what follows from the sum.
func (s Style) verdict(b *strings.Builder, c *v1alpha1.Investigation, thresholds *v1alpha1.Thresholds) {
	fmt.Fprintf(b, "\n%s\n", s.paint(bold, "Verdict"))
	say := func(format string, args ...any) {
		fmt.Fprintf(b, "  %s\n", hanging(fmt.Sprintf(format, args...), 2))
	}
	if thresholds == nil {
		say("the thresholds are in the Analyst of the namespace, which you may not read")
	} else {
		confirm, dismiss := decibans(10*thresholds.Confirm), decibans(-10*thresholds.Dismiss)
		say("%s dB or more: TruePositive", confirm)
		say("%s dB or less, with trusted evidence that lowers suspicion and no question open: BenignPositive or FalsePositive", dismiss)
		say("anything else: Undetermined, and a human decides")
	}
	if g := c.Spec.Grade; g != nil {
		say("graded %s by %s, which is the verdict: %s", g.Verdict, g.By, g.Reason)
		say("the analyst alone concludes %s", AnalystVerdict(c))
	} else if score := c.Status.Score; score != nil && c.Status.Verdict != "" {
		say("with %s dB: %s", decibans(*score), c.Status.Verdict)
	}
	for _, kind := range []string{v1alpha1.ConditionEscalated, v1alpha1.ConditionClosed} {
		if found := condition(c, kind); found != nil && found.Reason != v1alpha1.ReasonNotEscalated {
			say("%s: %s", spell(found.Reason), found.Message)
		}
	}
}

// spell turns a reason into words: ClosedByAnalyst reads closed by analyst.
func spell(reason string) string {
	var b strings.Builder
	for _, r := range reason {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

func (s Style) questions(b *strings.Builder, questions []v1alpha1.QuestionStatus) {
	fmt.Fprintf(b, "\n%s\n", s.paint(bold, "Questions that were asked"))
	if len(questions) == 0 {
		b.WriteString("  none yet\n")
	}
	for _, q := range questions {
		in := ink("")
		if q.State == v1alpha1.QuestionFailed || q.State == v1alpha1.QuestionTimedOut {
			in = red
		}
		text := fmt.Sprintf("%s (%s, asked %s)", q.Ask, q.ID, q.Use)
		if q.Message != "" {
			text += ": " + q.Message
		}
		fmt.Fprintf(b, "  %s  %s\n", s.paint(in, left(Plain(string(q.State)), 8)), hanging(text, 12))
	}
}
