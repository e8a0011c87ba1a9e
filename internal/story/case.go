package story

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clipperhouse/displaywidth"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Columns of a case: what is said, and what stands right of it.
const (
	bodyWidth = 76
	pageWidth = 104
	whatWidth = 72
)

// Case tells a case with its actions, as a responder reads it at three in the morning.
func (s Style) Case(c *v1alpha1.Investigation, actions []v1alpha1.ResponseAction) string {
	var b strings.Builder
	b.WriteString(s.heading(c) + "\n")
	state, who := s.state(c, actions), ""
	if c.Status.Analyst != "" {
		who = "analyst: " + Plain(c.Status.Analyst)
	}
	b.WriteString(strings.TrimRight(left(state, pageWidth-displaywidth.String(who)), " ") + spaced(state, who) + "\n")
	for _, line := range s.remarks(c) {
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
	s.happened(&b, c)
	s.why(&b, c)
	s.judged(&b, &c.Status)
	fmt.Fprintf(&b, "%s    %s\n", s.paint(bold, "Reach"), hanging(Reach(c.Status.BlastRadius), 9))
	s.actions(&b, c, actions)
	s.notes(&b, c)
	return b.String()
}

// spaced sets text at the right edge of a line, or behind what is in its way.
func spaced(line, text string) string {
	if text == "" {
		return ""
	}
	return blank(max(pageWidth-displaywidth.String(line)-displaywidth.String(text), 2)) + text
}

// hanging wraps text whose first line begins at a column.
func hanging(text string, column int) string {
	return strings.Join(wrap(text, pageWidth-column), "\n"+blank(column))
}

// remarks are what a reader must know before the rest.
func (s Style) remarks(c *v1alpha1.Investigation) []string {
	var lines []string
	add := func(in ink, format string, args ...any) {
		lines = append(lines, s.paint(in, hanging(fmt.Sprintf(format, args...), 0)))
	}
	concluded, escalated := condition(c, v1alpha1.ConditionConcluded), condition(c, v1alpha1.ConditionEscalated)
	if from := c.Status.MergedFrom; len(from) > 0 {
		add("", "one case with %s, merged into it", strings.Join(from, ", "))
	}
	switch {
	case c.Status.MergedInto != "":
		add(yellow, "the same intrusion as an older case, which goes on: %s", command("case", c.Namespace, c.Status.MergedInto))
	case concluded == nil && condition(c, v1alpha1.ConditionReady) == nil:
		add(yellow, "the operator has not looked at it yet; if that stays so: kubectl -n tocsin-system get pods")
	case concluded == nil || concluded.Status != "True":
		add(yellow, "%s", underWay(c))
	}
	if g := c.Spec.Grade; g != nil {
		add("", "graded %s by %s: %s", g.Verdict, g.By, g.Reason)
	} else if escalated != nil && escalated.Status == "True" && !Closed(c) {
		add(yellow, "a human decides: %s", escalated.Message)
	}
	if c.Spec.Assignee != "" {
		add("", "assigned to %s", c.Spec.Assignee)
	}
	return lines
}

// underWay says what is going on before there is a verdict on all alerts.
func underWay(c *v1alpha1.Investigation) string {
	for _, kind := range []string{v1alpha1.ConditionConcluded, v1alpha1.ConditionReady} {
		if found := condition(c, kind); found != nil && found.Status != "True" {
			text := found.Reason
			if found.Message != "" {
				text += ": " + found.Message
			}
			if c.Status.Verdict != "" {
				return "the verdict does not speak of all alerts yet; " + text
			}
			return text
		}
	}
	return "questions are being asked"
}

func (s Style) happened(b *strings.Builder, c *v1alpha1.Investigation) {
	format := clockFormat
	heading := s.paint(bold, "What happened")
	if timeline := c.Status.Timeline; len(timeline) == 0 {
		fmt.Fprintf(b, "%s  not known yet: %s\n", heading, count(int(c.Status.AlertCount), "alert"))
		return
	} else if first, last := timeline[0].Time.In(s.Zone), timeline[len(timeline)-1].Time.In(s.Zone); first.Format(dayFormat) != last.Format(dayFormat) {
		format = dayFormat + " " + clockFormat
		fmt.Fprintf(b, "%s (%s)\n", heading, first.Format("MST"))
	} else {
		fmt.Fprintf(b, "%s (%s)\n", heading, first.Format(dayFormat+" MST"))
	}
	for _, e := range c.Status.Timeline {
		at := "  " + e.Time.In(s.Zone).Format(format) + "  "
		lines := wrap(e.What+repeats(e, s, format), whatWidth)
		b.WriteString(at + strings.TrimRight(left(lines[0], whatWidth)+"  "+marks(e, c.Status.Evidence), " ") + "\n")
		for _, line := range lines[1:] {
			b.WriteString(blank(len(at)) + line + "\n")
		}
	}
}

func repeats(e v1alpha1.TimelineEntry, s Style, format string) string {
	if e.Count <= 1 {
		return ""
	}
	if e.Until == nil {
		return fmt.Sprintf(" (%d times)", e.Count)
	}
	return fmt.Sprintf(" (%d times until %s)", e.Count, e.Until.In(s.Zone).Format(format))
}

// marks are the techniques of an entry, and the evidence about its alert that counts.
func marks(e v1alpha1.TimelineEntry, evidence []v1alpha1.Evidence) string {
	var techniques, ids []string
	for _, t := range e.Techniques {
		techniques = append(techniques, Plain(string(t)))
	}
	for _, found := range evidence {
		if found.Alert == e.Alert && found.Weight != 0 {
			ids = append(ids, Plain(found.ID))
		}
	}
	return strings.Join(slices.DeleteFunc([]string{strings.Join(techniques, ","), strings.Join(ids, ",")}, func(t string) bool { return t == "" }), "  ")
}

func (s Style) actions(b *strings.Builder, c *v1alpha1.Investigation, actions []v1alpha1.ResponseAction) {
	width, shown := 0, map[string]bool{}
	actions = inOrder(actions)
	for i := range actions {
		shown[actions[i].Name] = true
		width = max(width, min(displaywidth.String(Summary(&actions[i])), 48))
	}
	heading := s.paint(bold, "Actions")
	line := func(what string, stands []string, in ink) {
		whats := wrap(what, max(width, 1))
		for i := range max(len(whats), len(stands)) {
			b.WriteString(strings.TrimRight(heading+"  "+left(at(whats, i), width)+"  "+s.paint(in, at(stands, i)), " ") + "\n")
			heading = blank(7)
		}
	}
	for i := range actions {
		a := &actions[i]
		if Waits(a) { // in one line, to be copied
			line(Summary(a), []string{waitsFor(a)}, yellow)
			continue
		}
		progress, in := s.progress(a)
		line(Summary(a), wrap(progress, pageWidth-11-width), in)
	}
	for _, a := range c.Status.Actions {
		if !shown[a.Name] {
			line(a.Operation, wrap("about to be created as "+a.Name, pageWidth-11-width), "")
		}
	}
	if heading != blank(7) {
		fmt.Fprintf(b, "%s  none proposed\n", heading)
	}
	s.undo(b, actions)
}

// at is a line, or nothing behind the last.
func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// undo names what can be taken back.
func (s Style) undo(b *strings.Builder, actions []v1alpha1.ResponseAction) {
	var names []string
	namespace := ""
	for i := range actions {
		if Undoable(&actions[i]) {
			names, namespace = append(names, actions[i].Name), actions[i].Namespace
		}
	}
	if len(names) > 0 {
		text := hanging(command("undo", namespace, "NAME")+" takes back "+strings.Join(names, ", "), 9)
		fmt.Fprintf(b, "%s%s\n", blank(9), s.paint(dim, text))
	}
}

func (s Style) notes(b *strings.Builder, c *v1alpha1.Investigation) {
	heading := s.paint(bold, "Notes")
	for _, n := range c.Spec.Notes {
		fmt.Fprintf(b, "%s    %s\n", heading, hanging(n.By+": "+n.Text, 9))
		heading = blank(5)
	}
}
