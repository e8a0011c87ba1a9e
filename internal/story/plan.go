package story

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Plan shows what an approver must know of an action that has a plan: what will
// change, who asked for it and why, and why it needs approval. The case is nil
// where there is none.
func (s Style) Plan(a *v1alpha1.ResponseAction, c *v1alpha1.Investigation) string {
	var b strings.Builder
	plan, d := a.Status.Plan, a.Status.Decision
	b.WriteString(s.paint(bold, Plain(plan.Summary)) + "\n")
	about(&b, a, c)
	if d != nil {
		field(&b, "needs", "%s", needs(a))
		for _, reason := range d.Reasons {
			field(&b, "", "because %s", reason)
		}
	}
	if plan.Evidence != "" {
		field(&b, "before", "%s", plan.Evidence)
	}
	field(&b, "planned", "%s ago, digest %s", s.since(plan.PlannedAt.Time), plan.Digest)
	s.warnings(&b, plan.Warnings)
	s.diff(&b, "What changes", plan.Diff)
	return b.String()
}

// Done shows an action that was done to who is about to take it back.
func (s Style) Done(a *v1alpha1.ResponseAction, c *v1alpha1.Investigation) string {
	var b strings.Builder
	b.WriteString(s.paint(bold, "What was done, and will be taken back") + "\n")
	fmt.Fprintf(&b, "  %s\n", hanging(a.Status.Plan.Summary, 2))
	about(&b, a, c)
	end, _ := s.progress(a)
	field(&b, "done", "%s", end)
	s.diff(&b, "What it changed", a.Status.Plan.Diff)
	return b.String()
}

// about says what an action is, on what and why.
func about(b *strings.Builder, a *v1alpha1.ResponseAction, c *v1alpha1.Investigation) {
	plan := a.Status.Plan
	field(b, "action", "%s in namespace %s: %s", a.Name, a.Namespace, request(a))
	field(b, "target", "%s", target(plan.Target))
	field(b, "asked by", "%s: %s", a.Spec.RequestedBy, a.Spec.Reason)
	if c != nil {
		field(b, "case", "%s  %s  %s  %s", priorityText(c), verdictText(c), c.Name, title(c))
		field(b, "reach", "%s", Reach(c.Status.BlastRadius))
	} else {
		field(b, "case", "%s", cmp.Or(a.Spec.Investigation, "none"))
	}
	field(b, "risk", "%s, %s", plan.Risk, undoing(a))
}

// undoing tells whether the action can be taken back, and when it is by itself.
func undoing(a *v1alpha1.ResponseAction) string {
	text := strings.ToLower(string(a.Status.Plan.Undo))
	if a.Spec.UndoAfter != nil && a.Status.Plan.Undo == v1alpha1.UndoReversible {
		text += ", undone by itself after " + span(a.Spec.UndoAfter.Duration)
	}
	return text
}

func field(b *strings.Builder, what, format string, args ...any) {
	fmt.Fprintf(b, "  %s%s\n", left(what, 10), hanging(fmt.Sprintf(format, args...), 12))
}

func request(a *v1alpha1.ResponseAction) string {
	if a.Spec.Use == nil {
		return "takes back " + a.Spec.Undo
	}
	return fmt.Sprintf("operation %s of connector %s", a.Spec.Use.Operation, a.Spec.Use.Connector)
}

func target(t v1alpha1.TargetReference) string {
	name := t.Name
	if t.Namespace != "" {
		name = t.Namespace + "/" + name
	}
	if t.UID == "" {
		return t.Kind + " " + name
	}
	return fmt.Sprintf("%s %s (uid %s)", t.Kind, name, t.UID)
}

func needs(a *v1alpha1.ResponseAction) string {
	d := a.Status.Decision
	if d.Outcome != v1alpha1.DecisionRequire {
		return fmt.Sprintf("no approval: the policies say %s", d.Outcome)
	}
	text := fmt.Sprintf("%s of tier %s", count(int(max(d.Approvals, 1)), "approval"), d.Tier)
	if names := approvers(a); len(names) > 0 {
		text += ", given by " + strings.Join(names, ", ")
	}
	return text
}

func (s Style) warnings(b *strings.Builder, warnings []string) {
	if len(warnings) == 0 {
		return
	}
	b.WriteString(s.paint(red, "Warnings") + "\n")
	for _, w := range warnings {
		fmt.Fprintf(b, "  %s\n", hanging(w, 2))
	}
}

// diff is indented, so that nothing in it passes for a line of ours.
func (s Style) diff(b *strings.Builder, heading, diff string) {
	b.WriteString(s.paint(bold, heading) + "\n")
	if strings.TrimSpace(diff) == "" {
		b.WriteString("  nothing that the API server's dry run shows\n")
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(diff, "\n"), "\n") {
		fmt.Fprintf(b, "  %s\n", s.paint(diffInk(line), verbatim(line)))
	}
}

func diffInk(line string) ink {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "@@"):
		return dim
	case strings.HasPrefix(line, "+"):
		return green
	case strings.HasPrefix(line, "-"):
		return red
	}
	return ""
}
