package responseaction

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// proofRetry is how soon to look again for the admission policies.
const proofRetry = 15 * time.Second

// approve waits until as many people have approved as the decision demands.
type approve struct{ ballot ballot }

func (s approve) take(ctx context.Context, r *run) (next, error) {
	live := r.plan != nil && r.status().Decision.Outcome == v1alpha1.DecisionRequire
	tally, approvals, err := s.ballot.count(ctx, r, live)
	if err != nil {
		return halt, err
	}
	r.status().Approvals = tally.Counted
	switch {
	case tally.Denied:
		r.mark(v1alpha1.ConditionAuthorized, false, v1alpha1.ReasonDenied, "")
		r.stall(v1alpha1.ReasonDenied, denial(tally, approvals))
		return halt, nil
	case tally.Authorized:
		r.mark(v1alpha1.ConditionAuthorized, true, authorizedBy(tally), authority(r.status()))
		r.emergency = emergency(tally, approvals)
		return proceed, nil
	}
	r.mark(v1alpha1.ConditionAuthorized, false, v1alpha1.ReasonWaitingForApproval, "")
	due := patience(r)
	r.wait(v1alpha1.ReasonWaitingForApproval, waiting(r.action, tally))
	return lookAgain(s.again(r.now, tally, due)), nil
}

// again is when the count may change, or people are to be told, without anybody doing anything.
func (s approve) again(now time.Time, tally response.Tally, due time.Time) time.Duration {
	if slices.ContainsFunc(tally.Rulings, func(r response.Ruling) bool { return r.Reason == v1alpha1.ReasonAdmissionUnproven }) {
		return proofRetry
	}
	var after time.Duration
	for _, moment := range []time.Time{tally.Next, due} {
		if left := max(moment.Sub(now), time.Second); !moment.IsZero() && (after == 0 || left < after) {
			after = left
		}
	}
	return after
}

// patience notes what waiting has led to, and returns when more is due. What was escalated
// stays so, whatever becomes of the plan.
func patience(r *run) time.Time {
	if r.status().Waiting == nil {
		r.status().Waiting = &v1alpha1.Waiting{Since: r.micro()}
	}
	w := r.status().Waiting
	due := response.Wait(*r.status().Decision, w.Since.Time, r.now)
	w.Reminders = max(w.Reminders, due.Reminders)
	if due.EscalatedTo != "" && w.EscalatedTo != v1alpha1.TierBreakGlass && w.EscalatedTo != due.EscalatedTo {
		w.EscalatedTo = due.EscalatedTo
		r.mark(v1alpha1.ConditionEscalated, true, v1alpha1.ReasonEscalated,
			fmt.Sprintf("nobody of tier %s approved within %s; an approval of tier %s counts, too", r.status().Decision.Tier, r.now.Sub(w.Since.Time).Round(time.Second), w.EscalatedTo))
	}
	return due.Next
}

func waiting(action *v1alpha1.ResponseAction, tally response.Tally) string {
	d := action.Status.Decision
	given := ""
	if n := len(tally.Counted); n > 0 {
		given = fmt.Sprintf(", %d given", n)
	}
	if to := action.Status.Waiting.EscalatedTo; to != "" {
		given += fmt.Sprintf(", escalated to %s", to)
	}
	return fmt.Sprintf("waits for %d more of tier %s%s: kubectl soc approve %s -n %s", tally.Missing, d.Tier, given, action.Name, action.Namespace)
}

func authorizedBy(tally response.Tally) string {
	if tally.BrokenBy != "" {
		return v1alpha1.ReasonBreakGlass
	}
	return v1alpha1.ReasonAuthorized
}

// emergency is why somebody ran the action alone; empty if nobody did.
func emergency(tally response.Tally, approvals []v1alpha1.Approval) string {
	for _, a := range approvals {
		if tally.BrokenBy != "" && a.Spec.Approver == tally.BrokenBy && a.Spec.Tier == v1alpha1.TierBreakGlass && counted(tally, a.Name) {
			return shorten.Characters(fmt.Sprintf("%s alone (%s): %s", a.Spec.Approver, a.Spec.Tier, redact.String(a.Spec.Reason)), maxMessage)
		}
	}
	return ""
}

func counted(tally response.Tally, name string) bool {
	return slices.ContainsFunc(tally.Rulings, func(r response.Ruling) bool { return r.Name == name && r.Counts })
}

func authority(s *v1alpha1.ResponseActionStatus) string {
	if len(s.Approvals) == 0 {
		return "allowed by policy"
	}
	names := make([]string, 0, len(s.Approvals))
	for _, a := range s.Approvals {
		names = append(names, fmt.Sprintf("%s (%s)", a.Approver, a.Tier))
	}
	slices.Sort(names)
	return "approved by " + strings.Join(names, ", ")
}

func denial(tally response.Tally, approvals []v1alpha1.Approval) string {
	for _, c := range tally.Counted {
		if c.Decision != v1alpha1.Deny {
			continue
		}
		i := slices.IndexFunc(approvals, func(a v1alpha1.Approval) bool { return a.Name == c.Name })
		return shorten.Characters(fmt.Sprintf("denied by %s (%s): %s", c.Approver, c.Tier, redact.String(approvals[i].Spec.Reason)), maxMessage)
	}
	return "denied"
}
