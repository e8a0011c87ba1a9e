package response

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

const (
	// defaultTTL holds where a decision does not say how long approvals count.
	defaultTTL = time.Hour
	// clockSkew is how far ahead of the operator's clock the API server's may be.
	clockSkew = time.Minute
	// maxCounted is as many approvals as a status holds.
	maxCounted = 16
)

// Ballot is what approvals are counted for.
type Ballot struct {
	// Since is when the action was created: approvals before that were for another of its name.
	Since time.Time
	// Requesters may not approve: who asked, who asked for what is taken back, and who is behind them.
	Requesters []string
	// Digest of the plan that waits.
	Digest string
	// Decision of the policies on that plan.
	Decision v1alpha1.Decision
	// ProvenSince is when admission began to prove approvers; zero if it does not.
	ProvenSince time.Time
	// Now by the operator's clock.
	Now time.Time
}

// Ruling says whether one Approval counts.
type Ruling struct {
	Name   string
	Counts bool
	// Reason is Counted, or why it does not count.
	Reason string
	// Message says what to do next, where something can be done.
	Message string
	// Until is when an approval that counts ceases to; zero for never.
	Until time.Time
}

// Tally is the outcome of a count.
type Tally struct {
	// Rulings in the order of the approvals' creation.
	Rulings []Ruling
	// Counted are the approvals and denials that count.
	Counted []v1alpha1.CountedApproval
	// Authorized: the plan may be executed.
	Authorized bool
	// BrokenBy names who ran it alone at tier break-glass, where that is what authorizes it.
	BrokenBy string
	// Denied: somebody refused the plan, which wins over any approval.
	Denied bool
	// Missing approvals until the plan is authorized.
	Missing int
	// Next is the earliest moment at which an approval ceases to count; zero for never.
	Next time.Time
}

// Count says of every approval whether it counts, and what they amount to. A
// proven denial of this plan wins, at whatever tier and however old it is.
func Count(b Ballot, approvals []v1alpha1.Approval) Tally {
	b.Decision = demand(b.Decision)
	sorted := slices.Clone(approvals)
	slices.SortFunc(sorted, func(x, y v1alpha1.Approval) int {
		return cmp.Or(x.CreationTimestamp.Compare(y.CreationTimestamp.Time), cmp.Compare(x.Name, y.Name))
	})
	t := Tally{}
	approvers := map[string]bool{}
	for i := range sorted {
		a := &sorted[i]
		r := b.rule(a, approvers)
		t.Rulings = append(t.Rulings, r)
		if !r.Counts {
			continue
		}
		t.add(a, r)
		if a.Spec.Decision != v1alpha1.Approve {
			continue
		}
		if a.Spec.Tier == v1alpha1.TierBreakGlass {
			t.BrokenBy = a.Spec.Approver
		} else {
			approvers[a.Spec.Approver] = true
		}
	}
	t.conclude(b.Decision, len(approvers))
	return t
}

// demand reads a requirement that says too little as the strictest it can mean.
func demand(d v1alpha1.Decision) v1alpha1.Decision {
	if d.Tier.Rank() == 0 {
		d.Tier = v1alpha1.TierSenior
	}
	d.Approvals = max(d.Approvals, 1)
	if d.ApprovalTTL == nil || d.ApprovalTTL.Duration <= 0 {
		d.ApprovalTTL = &metav1.Duration{Duration: defaultTTL}
	}
	return d
}

func (b Ballot) rule(a *v1alpha1.Approval, approvers map[string]bool) Ruling {
	r := Ruling{Name: a.Name}
	if r.Reason, r.Message = b.invalid(a); r.Reason != "" {
		return r
	}
	if a.Spec.Decision == v1alpha1.Deny {
		r.Counts, r.Reason, r.Message = true, v1alpha1.ReasonCounted, "denied: the action will not run"
		return r
	}
	if r.Reason, r.Message = b.insufficient(a, approvers); r.Reason != "" {
		return r
	}
	r.Counts, r.Reason = true, v1alpha1.ReasonCounted
	r.Until = a.CreationTimestamp.Add(b.Decision.ApprovalTTL.Duration)
	r.Message = "counts until " + r.Until.UTC().Format(time.RFC3339)
	return r
}

// invalid holds for approvals and denials alike.
func (b Ballot) invalid(a *v1alpha1.Approval) (reason, message string) {
	created := a.CreationTimestamp.Time
	switch {
	case b.ProvenSince.IsZero():
		return v1alpha1.ReasonAdmissionUnproven, "the admission policies that prove approvers are not installed as this operator needs them; install config/admission, then approve again"
	case created.Before(b.ProvenSince):
		return v1alpha1.ReasonAdmissionUnproven, fmt.Sprintf("was created before admission could prove its approver (since %s); approve again", b.ProvenSince.UTC().Format(time.RFC3339))
	case created.Before(b.Since):
		return v1alpha1.ReasonStalePlan, "is older than the action, so it was for another action of that name; look at this one and decide again"
	case b.Digest == "":
		return v1alpha1.ReasonStalePlan, "the action has no plan yet; decide on status.plan.digest once it is there"
	case a.Spec.PlanDigest != b.Digest:
		return v1alpha1.ReasonStalePlan, fmt.Sprintf("spec.planDigest is %.12s, the plan that waits is %.12s; look at it and decide again", a.Spec.PlanDigest, b.Digest)
	case a.Spec.Decision != v1alpha1.Approve && a.Spec.Decision != v1alpha1.Deny:
		return v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.decision must be Approve or Deny, not %q", a.Spec.Decision)
	}
	return "", ""
}

// insufficient holds for approvals only.
func (b Ballot) insufficient(a *v1alpha1.Approval, approvers map[string]bool) (reason, message string) {
	created, limit := a.CreationTimestamp.Time, b.Decision.ApprovalTTL.Duration
	switch {
	case b.Decision.Outcome != v1alpha1.DecisionRequire:
		return v1alpha1.ReasonNotAwaited, fmt.Sprintf("the policies say %s; no approval is awaited", b.Decision.Outcome)
	case b.asked(a.Spec.Approver):
		return v1alpha1.ReasonSelfApproval, "nobody approves what they asked for, nor what a playbook asks that they changed last or a ServiceAccount that they may act as; somebody else must"
	case created.After(b.Now.Add(clockSkew)):
		return v1alpha1.ReasonClockSkew, fmt.Sprintf("was created at %s, later than now by the operator's clock (%s); set the clocks and approve again", created.UTC().Format(time.RFC3339), b.Now.UTC().Format(time.RFC3339))
	case !b.Now.Before(created.Add(limit)):
		return v1alpha1.ReasonExpired, fmt.Sprintf("approvals of this plan count for %s; approve again", limit)
	case a.Spec.Tier == v1alpha1.TierBreakGlass:
		return b.unbreakable()
	case a.Spec.Tier.Rank() < b.Decision.Tier.Rank():
		return v1alpha1.ReasonTierTooLow, fmt.Sprintf("tier %s is needed, not %s", b.Decision.Tier, a.Spec.Tier)
	case approvers[a.Spec.Approver]:
		return v1alpha1.ReasonDuplicate, a.Spec.Approver + " counts once; somebody else must approve as well"
	}
	return "", ""
}

// unbreakable says why tier break-glass does not count, if it does not.
func (b Ballot) unbreakable() (reason, message string) {
	if b.Decision.BreakGlass == v1alpha1.BreakGlassAllowed {
		return "", ""
	}
	return v1alpha1.ReasonBreakGlassForbidden, fmt.Sprintf("spec.tier: break-glass counts only where every ApprovalPolicy that speaks of the action has "+
		"spec.breakGlass: Allowed; here %d of tier %s must approve", b.Decision.Approvals, b.Decision.Tier)
}

func (t *Tally) add(a *v1alpha1.Approval, r Ruling) {
	t.Denied = t.Denied || a.Spec.Decision == v1alpha1.Deny
	if !r.Until.IsZero() && (t.Next.IsZero() || r.Until.Before(t.Next)) {
		t.Next = r.Until
	}
	if len(t.Counted) < maxCounted {
		t.Counted = append(t.Counted, v1alpha1.CountedApproval{
			Name: a.Name, Approver: a.Spec.Approver, Tier: a.Spec.Tier, Decision: a.Spec.Decision,
		})
	}
}

func (t *Tally) conclude(d v1alpha1.Decision, approvals int) {
	switch d.Outcome {
	case v1alpha1.DecisionAllow:
		t.Authorized = !t.Denied
	case v1alpha1.DecisionRequire:
		t.Missing = max(int(d.Approvals)-approvals, 0)
		if t.Missing == 0 {
			t.BrokenBy = "" // people enough have approved; nobody was passed over
		}
		t.Authorized = !t.Denied && (t.Missing == 0 || t.BrokenBy != "")
	default:
		t.Denied = true
	}
}

// NewBallot asks about an action's plan and decision as its status has them.
// undoes is the action that it takes back, or nil; the zero time means that
// admission proves nothing.
func NewBallot(action, undoes *v1alpha1.ResponseAction, provenSince, now time.Time) Ballot {
	b := Ballot{
		Since: action.CreationTimestamp.Time, Requesters: requesters(action, undoes),
		ProvenSince: provenSince, Now: now,
	}
	if action.Status.Plan != nil && action.Status.Decision != nil {
		b.Digest, b.Decision = action.Status.Plan.Digest, *action.Status.Decision
	}
	return b
}

// requesters of an action: who asked for it, who graded the case so that a playbook
// asked and, where the operator takes an action back because its time is over or
// captures evidence before it, who asked for that action.
func requesters(action, undoes *v1alpha1.ResponseAction) []string {
	asked := []string{action.Spec.RequestedBy}
	if undoes != nil && action.Spec.RequestedBy == UndoRequester(undoes.Name) {
		asked = append(asked, undoes.Spec.RequestedBy)
	}
	if who := beneficiary(action.Spec.RequestedBy); who != "" {
		asked = append(asked, who)
	}
	for _, by := range asked {
		if playbook, grader, found := strings.Cut(by, graded); found && strings.HasPrefix(playbook, playbookPrefix) {
			asked = append(asked, grader)
		}
	}
	return asked
}

const (
	playbookPrefix = "playbook:"
	graded         = " on the grade of "
	// maxGrader characters of a user name fit beside the name of a playbook.
	maxGrader = 200
)

// PlaybookRequester is who asks where a playbook proposes an action. The grader is
// who gave the case the verdict for which it does; empty if the analyst did.
func PlaybookRequester(playbook, grader string) string {
	if grader == "" {
		return playbookPrefix + playbook
	}
	return playbookPrefix + playbook + graded + shorten.Characters(grader, maxGrader)
}

// PlaybookOf is the name of the playbook that asks, and whether it is one that does.
func PlaybookOf(requester string) (string, bool) {
	name, asks := strings.CutPrefix(requester, playbookPrefix)
	name, _, _ = strings.Cut(name, graded)
	return name, asks
}

// asked says whether somebody is among the requesters, whose names may be shortened.
func (b Ballot) asked(who string) bool {
	return slices.ContainsFunc(b.Requesters, func(requester string) bool {
		return shorten.Characters(who, utf8.RuneCountInString(requester)) == requester
	})
}

// UndoRequester is who asks for an undo that nobody asked for but the time that was set.
func UndoRequester(action string) string { return "undo:" + action }

// Begun rules on an Approval whose action was begun or refused already: what
// counted then still does, anything else came too late.
func Begun(action *v1alpha1.ResponseAction, approval *v1alpha1.Approval) (Ruling, bool) {
	r := Ruling{Name: approval.Name}
	if action.Status.Execution == nil && !Settled(action) {
		return r, false
	}
	r.Counts = slices.ContainsFunc(action.Status.Approvals, func(c v1alpha1.CountedApproval) bool { return c.Name == approval.Name })
	if r.Counts {
		r.Reason, r.Message = v1alpha1.ReasonCounted, "counted when the action was decided"
		return r, true
	}
	r.Reason = v1alpha1.ReasonNotAwaited
	r.Message = fmt.Sprintf("came too late: the action waits for nobody any more (%s)", Standing(action))
	return r, true
}
