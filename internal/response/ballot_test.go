package response_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	digest  = strings.Repeat("a", 64)
	another = strings.Repeat("b", 64)
)

// approval of the plan by a person, given some time ago.
func approval(name, approver string, tier v1alpha1.Tier, ago time.Duration) v1alpha1.Approval {
	return v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-ago))},
		Spec: v1alpha1.ApprovalSpec{
			Action: "act", PlanDigest: digest, Decision: v1alpha1.Approve, Tier: tier, Approver: approver, Reason: "seen",
		},
	}
}

func denial(name, approver string, tier v1alpha1.Tier, ago time.Duration) v1alpha1.Approval {
	a := approval(name, approver, tier, ago)
	a.Spec.Decision = v1alpha1.Deny
	return a
}

func of(a v1alpha1.Approval, planDigest string) v1alpha1.Approval {
	a.Spec.PlanDigest = planDigest
	return a
}

func require(tier v1alpha1.Tier, n int32) v1alpha1.Decision {
	return v1alpha1.Decision{
		Outcome: v1alpha1.DecisionRequire, Tier: tier, Approvals: n, ApprovalTTL: &metav1.Duration{Duration: 30 * time.Minute},
	}
}

const (
	analyst = v1alpha1.TierAnalyst
	senior  = v1alpha1.TierSenior
	glass   = v1alpha1.TierBreakGlass
)

func breakable(d v1alpha1.Decision) v1alpha1.Decision {
	d.BreakGlass = v1alpha1.BreakGlassAllowed
	return d
}

type outcome struct {
	Reasons            string // of the rulings, in order
	Authorized, Denied bool
	Missing            int
	Counted            string // names
	BrokenBy           string
}

func summary(t response.Tally) outcome {
	var reasons, counted []string
	for _, r := range t.Rulings {
		reasons = append(reasons, r.Name+"="+r.Reason)
	}
	for _, c := range t.Counted {
		counted = append(counted, c.Name)
	}
	return outcome{strings.Join(reasons, " "), t.Authorized, t.Denied, t.Missing, strings.Join(counted, " "), t.BrokenBy}
}

func TestCount(t *testing.T) {
	cases := map[string]struct {
		decision  v1alpha1.Decision
		unproven  bool
		proven    time.Time
		approvals []v1alpha1.Approval
		want      outcome
	}{
		"nobody has approved": {
			decision: require(senior, 1),
			want:     outcome{Missing: 1},
		},
		"one is enough": {
			decision:  require(analyst, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", analyst, time.Minute)},
			want:      outcome{Reasons: "a=Counted", Authorized: true, Counted: "a"},
		},
		"a senior may approve what an analyst may": {
			decision:  require(analyst, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=Counted", Authorized: true, Counted: "a"},
		},
		"an analyst is no senior": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", analyst, time.Minute)},
			want:      outcome{Reasons: "a=TierTooLow", Missing: 1},
		},
		"a tier that does not exist is below all": {
			decision:  require(analyst, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", "root", time.Minute)},
			want:      outcome{Reasons: "a=TierTooLow", Missing: 1},
		},
		"one person counts once": {
			decision:  require(analyst, 2),
			approvals: []v1alpha1.Approval{approval("a", "alice", analyst, 2*time.Minute), approval("b", "alice", analyst, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Duplicate", Missing: 1, Counted: "a"},
		},
		"one person at both tiers counts once": {
			decision:  require(analyst, 2),
			approvals: []v1alpha1.Approval{approval("a", "alice", analyst, 2*time.Minute), approval("b", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Duplicate", Missing: 1, Counted: "a"},
		},
		"too low a tier first does not stand in the way of the same person's higher one": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", analyst, 2*time.Minute), approval("b", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=TierTooLow b=Counted", Authorized: true, Counted: "b"},
		},
		"break-glass is off unless policies allow it": {
			decision:  require(analyst, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", glass, time.Minute)},
			want:      outcome{Reasons: "a=BreakGlassForbidden", Missing: 1},
		},
		"break-glass is enough alone": {
			decision:  breakable(require(senior, 2)),
			approvals: []v1alpha1.Approval{approval("a", "alice", glass, time.Minute)},
			want:      outcome{Reasons: "a=Counted", Authorized: true, Missing: 2, Counted: "a", BrokenBy: "alice"},
		},
		"break-glass after the same person approved": {
			decision:  breakable(require(senior, 2)),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, 2*time.Minute), approval("b", "alice", glass, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Counted", Authorized: true, Missing: 1, Counted: "a b", BrokenBy: "alice"},
		},
		"where people enough approve, nobody was passed over": {
			decision:  breakable(require(senior, 1)),
			approvals: []v1alpha1.Approval{approval("a", "alice", glass, 2*time.Minute), approval("b", "bob", senior, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Counted", Authorized: true, Counted: "a b"},
		},
		"break-glass is no approval of another tier beside": {
			decision:  breakable(require(senior, 2)),
			approvals: []v1alpha1.Approval{approval("a", "alice", glass, time.Hour), approval("b", "bob", senior, time.Minute)},
			want:      outcome{Reasons: "a=Expired b=Counted", Missing: 1, Counted: "b"},
		},
		"a denial wins over break-glass": {
			decision:  breakable(require(senior, 1)),
			approvals: []v1alpha1.Approval{approval("a", "alice", glass, 2*time.Minute), denial("b", "bob", analyst, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Counted", Denied: true, Missing: 1, Counted: "a b", BrokenBy: "alice"},
		},
		"nobody breaks the glass for what they asked for": {
			decision:  breakable(require(senior, 1)),
			approvals: []v1alpha1.Approval{approval("a", "mallory", glass, time.Minute)},
			want:      outcome{Reasons: "a=SelfApproval", Missing: 1},
		},
		"break-glass is for one plan": {
			decision:  breakable(require(senior, 1)),
			approvals: []v1alpha1.Approval{of(approval("a", "alice", glass, time.Minute), another)},
			want:      outcome{Reasons: "a=StalePlan", Missing: 1},
		},
		"break-glass needs the proof as well": {
			decision: breakable(require(senior, 1)), unproven: true,
			approvals: []v1alpha1.Approval{approval("a", "alice", glass, time.Minute)},
			want:      outcome{Reasons: "a=AdmissionUnproven", Missing: 1},
		},
		"an expired one does not stand in the way of a new one": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, time.Hour), approval("b", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=Expired b=Counted", Authorized: true, Counted: "b"},
		},
		"one of an old plan does not stand in the way of one of the new": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{of(approval("a", "alice", senior, 2*time.Minute), another), approval("b", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=StalePlan b=Counted", Authorized: true, Counted: "b"},
		},
		"two different people": {
			decision:  require(senior, 2),
			approvals: []v1alpha1.Approval{approval("b", "bob", senior, time.Minute), approval("a", "alice", senior, 2*time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Counted", Authorized: true, Counted: "a b"},
		},
		"nobody approves what they asked for": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "mallory", senior, time.Minute)},
			want:      outcome{Reasons: "a=SelfApproval", Missing: 1},
		},
		"who asked may withdraw": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{denial("a", "mallory", senior, time.Minute)},
			want:      outcome{Reasons: "a=Counted", Denied: true, Missing: 1, Counted: "a"},
		},
		"exactly as old as approvals may be is too old": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, 30*time.Minute)},
			want:      outcome{Reasons: "a=Expired", Missing: 1},
		},
		"a denial wins over enough approvals, whichever came first": {
			decision: require(senior, 1),
			approvals: []v1alpha1.Approval{
				approval("a", "alice", senior, 3*time.Minute), denial("b", "bob", analyst, 2*time.Minute), approval("c", "carol", senior, time.Minute),
			},
			want: outcome{Reasons: "a=Counted b=Counted c=Counted", Denied: true, Counted: "a b c"},
		},
		"who approved may think better of it": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, 2*time.Minute), denial("b", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Counted", Denied: true, Counted: "a b"},
		},
		"who denied may not think better of it": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{denial("a", "alice", senior, 2*time.Minute), approval("b", "alice", senior, time.Minute)},
			want:      outcome{Reasons: "a=Counted b=Counted", Denied: true, Counted: "a b"},
		},
		"a denial does not expire": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{denial("a", "bob", analyst, 50*time.Minute)},
			want:      outcome{Reasons: "a=Counted", Denied: true, Missing: 1, Counted: "a"},
		},
		"a denial of an old plan is not one of this": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{of(denial("a", "bob", senior, time.Minute), another)},
			want:      outcome{Reasons: "a=StalePlan", Missing: 1},
		},
		"a denial stops what the policies allow": {
			decision:  v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow},
			approvals: []v1alpha1.Approval{denial("a", "bob", analyst, time.Minute)},
			want:      outcome{Reasons: "a=Counted", Denied: true, Counted: "a"},
		},
		"an approval of what the policies allow": {
			decision:  v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow},
			approvals: []v1alpha1.Approval{approval("a", "bob", analyst, time.Minute)},
			want:      outcome{Reasons: "a=NotAwaited", Authorized: true},
		},
		"no approval helps against a policy that denies": {
			decision:  v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny},
			approvals: []v1alpha1.Approval{approval("a", "bob", senior, time.Minute)},
			want:      outcome{Reasons: "a=NotAwaited", Denied: true},
		},
		"no decision is no permission": {
			approvals: []v1alpha1.Approval{approval("a", "bob", senior, time.Minute)},
			want:      outcome{Reasons: "a=NotAwaited", Denied: true},
		},
		"without proof neither approvals nor denials count": {
			decision: require(senior, 1), unproven: true,
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, 2*time.Minute), denial("b", "bob", senior, time.Minute)},
			want:      outcome{Reasons: "a=AdmissionUnproven b=AdmissionUnproven", Missing: 1},
		},
		"made before admission could prove it": {
			decision: require(senior, 1), proven: now.Add(-time.Minute),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, 2*time.Minute), approval("b", "bob", senior, time.Minute)},
			want:      outcome{Reasons: "a=AdmissionUnproven b=Counted", Authorized: true, Counted: "b"},
		},
		"the API server's clock is a little ahead": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, -time.Minute)},
			want:      outcome{Reasons: "a=Counted", Authorized: true, Counted: "a"},
		},
		"from the future": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, -time.Minute-time.Second)},
			want:      outcome{Reasons: "a=ClockSkew", Missing: 1},
		},
		"a denial from the future still wins": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{denial("a", "alice", senior, -time.Hour)},
			want:      outcome{Reasons: "a=Counted", Denied: true, Missing: 1, Counted: "a"},
		},
		"older than the action of that name": {
			decision:  require(senior, 1),
			approvals: []v1alpha1.Approval{approval("a", "alice", senior, 3*time.Hour)},
			want:      outcome{Reasons: "a=StalePlan", Missing: 1},
		},
		"a requirement without tier, number and time is the strictest": {
			decision:  v1alpha1.Decision{Outcome: v1alpha1.DecisionRequire},
			approvals: []v1alpha1.Approval{approval("a", "alice", analyst, time.Minute), approval("b", "bob", senior, time.Hour), approval("c", "carol", senior, time.Minute)},
			want:      outcome{Reasons: "b=Expired a=TierTooLow c=Counted", Authorized: true, Counted: "c"},
		},
		"neither approved nor denied": {
			decision: require(senior, 1),
			approvals: []v1alpha1.Approval{func() v1alpha1.Approval {
				a := approval("a", "alice", senior, time.Minute)
				a.Spec.Decision = "Perhaps"
				return a
			}()},
			want: outcome{Reasons: "a=InvalidSpec", Missing: 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ballot := response.Ballot{
				Since: now.Add(-2 * time.Hour), Requesters: []string{"mallory"}, Digest: digest,
				Decision: tc.decision, ProvenSince: now.Add(-24 * time.Hour), Now: now,
			}
			if !tc.proven.IsZero() || tc.unproven {
				ballot.ProvenSince = tc.proven
			}
			got := response.Count(ballot, tc.approvals)
			if diff := cmp.Diff(tc.want, summary(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, r := range got.Rulings {
				if r.Message == "" {
					t.Errorf("%s: no message says what to do next", r.Name)
				}
			}
		})
	}
}

func TestCountBoundsWhatAStatusHolds(t *testing.T) {
	var approvals []v1alpha1.Approval
	for i := range 40 {
		approvals = append(approvals, approval(string(rune('A'+i)), string(rune('A'+i)), senior, time.Minute))
	}
	got := response.Count(response.Ballot{Digest: digest, Decision: require(senior, 10), ProvenSince: now.Add(-time.Hour), Now: now}, approvals)
	if len(got.Counted) != 16 || !got.Authorized {
		t.Errorf("got %d counted and authorized=%t, want 16 and true", len(got.Counted), got.Authorized)
	}
}

func TestCountSaysWhenToLookAgain(t *testing.T) {
	got := response.Count(response.Ballot{Digest: digest, Decision: require(senior, 3), ProvenSince: now.Add(-time.Hour), Now: now},
		[]v1alpha1.Approval{approval("a", "alice", senior, time.Minute), approval("b", "bob", senior, 20*time.Minute)})
	if want := now.Add(10 * time.Minute); !got.Next.Equal(want) {
		t.Errorf("got %s, want %s: when the older approval ceases to count", got.Next, want)
	}
}

func TestNewBallotRequesters(t *testing.T) {
	original := &v1alpha1.ResponseAction{ObjectMeta: metav1.ObjectMeta{Name: "isolate"}, Spec: v1alpha1.ResponseActionSpec{RequestedBy: "mallory"}}
	cases := map[string]struct {
		by     string
		undoes *v1alpha1.ResponseAction
		want   []string
	}{
		"an action":               {by: "alice", want: []string{"alice"}},
		"an undo by a human":      {by: "alice", undoes: original, want: []string{"alice"}},
		"an undo because of time": {by: "undo:isolate", undoes: original, want: []string{"undo:isolate", "mallory"}},
		"a playbook":              {by: response.PlaybookRequester("shell", ""), want: []string{"playbook:shell"}},
		"a playbook on a grade": {
			by: response.PlaybookRequester("shell", "mallory"), want: []string{"playbook:shell on the grade of mallory", "mallory"},
		},
		"somebody with a strange name": {by: "x on the grade of y", want: []string{"x on the grade of y"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			action := &v1alpha1.ResponseAction{Spec: v1alpha1.ResponseActionSpec{RequestedBy: tc.by}}
			if diff := cmp.Diff(tc.want, response.NewBallot(action, tc.undoes, now, now).Requesters); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Who graded a case so that a playbook asked is not the one who approves it.
func TestGraderDoesNotApprove(t *testing.T) {
	for _, grader := range []string{"mallory", strings.Repeat("é", 500)} {
		action := &v1alpha1.ResponseAction{Spec: v1alpha1.ResponseActionSpec{RequestedBy: response.PlaybookRequester("shell", grader)}}
		action.Status.Plan = &v1alpha1.Plan{Digest: digest}
		action.Status.Decision = &v1alpha1.Decision{Outcome: v1alpha1.DecisionRequire, Tier: v1alpha1.TierAnalyst, Approvals: 1}
		for approver, want := range map[string]string{grader: v1alpha1.ReasonSelfApproval, "alice": v1alpha1.ReasonCounted} {
			approval := v1alpha1.Approval{
				ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: metav1.NewTime(now)},
				Spec:       v1alpha1.ApprovalSpec{PlanDigest: digest, Decision: v1alpha1.Approve, Tier: v1alpha1.TierAnalyst, Approver: approver},
			}
			got := response.Count(response.NewBallot(action, nil, now.Add(-time.Hour), now), []v1alpha1.Approval{approval})
			if got.Rulings[0].Reason != want {
				t.Errorf("%.20s: %s, want %s", approver, got.Rulings[0].Reason, want)
			}
		}
	}
}

func TestBegun(t *testing.T) {
	counted := []v1alpha1.CountedApproval{{Name: "a"}}
	cases := map[string]struct {
		status    v1alpha1.ResponseActionStatus
		wantBegun bool
		want      string
	}{
		"waits":                  {},
		"executing, counted":     {status: v1alpha1.ResponseActionStatus{Execution: &v1alpha1.Execution{}, Approvals: counted}, wantBegun: true, want: v1alpha1.ReasonCounted},
		"executing, too late":    {status: v1alpha1.ResponseActionStatus{Execution: &v1alpha1.Execution{}}, wantBegun: true, want: v1alpha1.ReasonNotAwaited},
		"denied":                 {status: stalledAs(v1alpha1.ReasonDenied), wantBegun: true, want: v1alpha1.ReasonNotAwaited},
		"stalled, may yet go on": {status: stalledAs(v1alpha1.ReasonForbidden)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := approval("a", "alice", senior, time.Minute)
			got, begun := response.Begun(&v1alpha1.ResponseAction{Status: tc.status}, &a)
			if got.Reason != tc.want || begun != tc.wantBegun {
				t.Errorf("got %q, %t; want %q, %t", got.Reason, begun, tc.want, tc.wantBegun)
			}
		})
	}
}

func stalledAs(reason string) v1alpha1.ResponseActionStatus {
	return v1alpha1.ResponseActionStatus{Conditions: []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: reason},
	}}
}
