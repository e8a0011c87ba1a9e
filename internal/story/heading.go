package story

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Closed says that a case takes no further alerts, or that somebody asked for that.
func Closed(c *v1alpha1.Investigation) bool {
	return c.Spec.State == v1alpha1.StateClosed || meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionClosed)
}

// verdictText is the verdict, and how sure the analyst is of its own.
func verdictText(c *v1alpha1.Investigation) string {
	p := c.Status.ProbabilityPermille
	switch {
	case c.Status.Verdict == "":
		return "investigating"
	case c.Spec.Grade != nil:
		return string(c.Spec.Grade.Verdict) + " (graded)"
	case p == nil:
		return string(c.Status.Verdict)
	}
	return string(c.Status.Verdict) + " " + permille(*p)
}

func verdictInk(v v1alpha1.Verdict) ink {
	switch v {
	case v1alpha1.TruePositive:
		return red
	case v1alpha1.BenignPositive, v1alpha1.FalsePositive:
		return green
	case v1alpha1.Undetermined:
		return yellow
	}
	return dim
}

func priorityInk(p v1alpha1.Priority) ink {
	if p == v1alpha1.PriorityP1 {
		return bold
	}
	return ""
}

func priorityText(c *v1alpha1.Investigation) string { return cmp.Or(string(c.Status.Priority), "--") }

// heading is the case in one line.
func (s Style) heading(c *v1alpha1.Investigation) string {
	return fmt.Sprintf("%s  %s  %s  %s", s.paint(priorityInk(c.Status.Priority), priorityText(c)),
		s.paint(verdictInk(c.Status.Verdict), verdictText(c)), s.paint(bold, Plain(c.Name)), title(c))
}

func title(c *v1alpha1.Investigation) string { return cmp.Or(Plain(c.Status.Title), "(no title yet)") }

// opened is when the first alert joined.
func opened(c *v1alpha1.Investigation) metav1.MicroTime {
	if c.Status.OpenedAt != nil {
		return *c.Status.OpenedAt
	}
	return metav1.NewMicroTime(c.CreationTimestamp.Time)
}

// state is how far the case is, in one line.
func (s Style) state(c *v1alpha1.Investigation, actions []v1alpha1.ResponseAction) string {
	since := opened(c)
	parts := []string{"open " + s.since(since.Time)}
	if Closed(c) {
		parts[0] = s.closing(c)
	}
	if at := c.Status.ConcludedAt; at != nil {
		parts = append(parts, "verdict after "+span(at.Sub(since.Time)))
	} else {
		parts = append(parts, "no verdict yet")
	}
	if wanted := waiting(actions); wanted != "" {
		parts = append(parts, wanted)
	}
	return strings.Join(parts, ", ")
}

func (s Style) closing(c *v1alpha1.Investigation) string {
	at := c.Status.ClosedAt
	if into := c.Status.MergedInto; into != "" && at != nil {
		return "merged into " + Plain(into) + " " + s.clock(at.Time)
	}
	if at == nil {
		return "a human asked to close it"
	}
	text := "closed " + s.clock(at.Time) + " after " + span(at.Sub(opened(c).Time))
	if closed := condition(c, v1alpha1.ConditionClosed); closed != nil && closed.Reason == v1alpha1.ReasonClosedByAnalyst {
		return text + " by itself"
	}
	return text + " by a human"
}

// waiting counts the approvals that actions wait for, with their tiers.
func waiting(actions []v1alpha1.ResponseAction) string {
	n := 0
	var tiers []string
	for i := range actions {
		if a := &actions[i]; Waits(a) {
			d := a.Status.Decision
			n += max(int(d.Approvals)-approvals(a), 1)
			if tier := string(d.Tier); len(tiers) == 0 || tiers[len(tiers)-1] != tier {
				tiers = append(tiers, tier)
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("waiting for %s (%s)", count(n, "approval"), strings.Join(tiers, ", "))
}

func condition(c *v1alpha1.Investigation, kind string) *metav1.Condition {
	return meta.FindStatusCondition(c.Status.Conditions, kind)
}
