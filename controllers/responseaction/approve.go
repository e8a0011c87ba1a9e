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
		r.mark(v1alpha1.ConditionAuthorized, true, v1alpha1.ReasonAuthorized, authority(r.status()))
		return proceed, nil
	}
	r.mark(v1alpha1.ConditionAuthorized, false, v1alpha1.ReasonWaitingForApproval, "")
	r.wait(v1alpha1.ReasonWaitingForApproval, waiting(r.action, tally))
	return lookAgain(s.again(r.now, tally)), nil
}

// again is when the count may change without anybody doing anything.
func (s approve) again(now time.Time, tally response.Tally) time.Duration {
	if slices.ContainsFunc(tally.Rulings, func(r response.Ruling) bool { return r.Reason == v1alpha1.ReasonAdmissionUnproven }) {
		return proofRetry
	}
	if tally.Next.IsZero() {
		return 0
	}
	return max(tally.Next.Sub(now), time.Second)
}

func waiting(action *v1alpha1.ResponseAction, tally response.Tally) string {
	d := action.Status.Decision
	given := ""
	if n := len(tally.Counted); n > 0 {
		given = fmt.Sprintf(", %d given", n)
	}
	return fmt.Sprintf("waits for %d more of tier %s%s: kubectl soc approve %s -n %s", tally.Missing, d.Tier, given, action.Name, action.Namespace)
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
