package response

import (
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Patience is what waiting for people has led to.
type Patience struct {
	// Reminders that are due by now.
	Reminders int32
	// EscalatedTo is the highest tier that is to be told; empty for none.
	EscalatedTo v1alpha1.Tier
	// Next is when more is due; zero for never.
	Next time.Time
}

// Wait says what is due once people have been waited for since a moment. A tier that is told
// is not thereby demanded: who holds it could approve before, and what is demanded stays.
func Wait(d v1alpha1.Decision, since, now time.Time) Patience {
	p := Patience{}
	waited := now.Sub(since)
	if d.RemindAfter != nil && d.RemindAfter.Duration > 0 {
		p.Reminders = int32(waited / d.RemindAfter.Duration)
		p.Next = since.Add(time.Duration(p.Reminders+1) * d.RemindAfter.Duration)
	}
	if d.EscalateAfter == nil || d.EscalateAfter.Duration <= 0 {
		return p
	}
	due := since.Add(d.EscalateAfter.Duration)
	for tier := above(d.Tier, d); tier != ""; tier = above(tier, d) {
		if now.Before(due) {
			if p.Next.IsZero() || due.Before(p.Next) {
				p.Next = due
			}
			break
		}
		p.EscalatedTo, due = tier, due.Add(d.EscalateAfter.Duration)
	}
	return p
}

// above is the next tier whose approval would count.
func above(tier v1alpha1.Tier, d v1alpha1.Decision) v1alpha1.Tier {
	switch {
	case tier == v1alpha1.TierAnalyst:
		return v1alpha1.TierSenior
	case tier == v1alpha1.TierSenior && d.BreakGlass == v1alpha1.BreakGlassAllowed:
		return v1alpha1.TierBreakGlass
	}
	return ""
}
