package response

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestCaptureStanding(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	wanted := Capture{Name: "mine", Connector: "cluster", Operation: "capture-evidence", Target: v1alpha1.TargetReference{Kind: "Pod", Name: "web-0", UID: "u1"}}
	until := now.Add(50 * time.Second)
	type alter = func(*v1alpha1.ResponseAction)
	capture := func(name string, alter ...alter) v1alpha1.ResponseAction {
		a := v1alpha1.ResponseAction{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-10 * time.Second)), Labels: map[string]string{v1alpha1.LabelEvidenceOf: "u1"}},
			Spec: v1alpha1.ResponseActionSpec{
				Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: "capture-evidence"}, RequestedBy: "evidence:delete-web-0 for alice",
			},
		}
		for _, f := range alter {
			f(&a)
		}
		return a
	}
	of := func(uid string) alter {
		return func(a *v1alpha1.ResponseAction) {
			a.Status.Plan = &v1alpha1.Plan{Target: v1alpha1.TargetReference{UID: uid}}
		}
	}
	ended := func(how v1alpha1.ActionOutcome, ago time.Duration) alter {
		return func(a *v1alpha1.ResponseAction) {
			a.Status.Result = &v1alpha1.ActionResult{Outcome: how, FinishedAt: metav1.NewMicroTime(now.Add(-ago))}
			a.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: string(how), Message: "so it was"}}
		}
	}
	stalled := func(reason string) alter {
		return func(a *v1alpha1.ResponseAction) {
			a.Status.Conditions = []metav1.Condition{
				{Type: v1alpha1.ConditionReady, Reason: reason, Message: "so it is"}, {Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue},
			}
		}
	}
	old := func(a *v1alpha1.ResponseAction) {
		a.CreationTimestamp = metav1.NewTime(now.Add(-CapturePatience))
	}
	by := func(who string) alter { return func(a *v1alpha1.ResponseAction) { a.Spec.RequestedBy = who } }
	kept := func(by string) CaptureStanding {
		return CaptureStanding{State: CaptureKept, By: by, Until: until}
	}
	lost := func(why string, until time.Time) CaptureStanding {
		return CaptureStanding{State: CaptureGivenUp, By: "mine", Why: why, Until: until}
	}

	tests := map[string]struct {
		among []v1alpha1.ResponseAction
		want  CaptureStanding
	}{
		"nothing yet":                {nil, CaptureStanding{}},
		"just made":                  {[]v1alpha1.ResponseAction{capture("mine")}, CaptureStanding{State: CaptureUnderWay, By: "mine", Until: until}},
		"done":                       {[]v1alpha1.ResponseAction{capture("mine", of("u1"), ended("Succeeded", time.Hour))}, kept("mine")},
		"done by another":            {[]v1alpha1.ResponseAction{capture("other", by("playbook:p"), of("u1"), ended("Succeeded", 14*time.Minute))}, kept("other")},
		"done by another too early":  {[]v1alpha1.ResponseAction{capture("other", of("u1"), ended("Succeeded", 15*time.Minute))}, CaptureStanding{}},
		"done by another in vain":    {[]v1alpha1.ResponseAction{capture("other", of("u1"), ended("Failed", time.Second))}, CaptureStanding{}},
		"another under way":          {[]v1alpha1.ResponseAction{capture("other")}, CaptureStanding{State: CaptureUnderWay, By: "other", Until: until}},
		"a person's under way":       {[]v1alpha1.ResponseAction{capture("other", by("mallory"), of("u1"))}, CaptureStanding{}},
		"another pod of that name":   {[]v1alpha1.ResponseAction{capture("other", of("u2"), ended("Succeeded", time.Second))}, CaptureStanding{}},
		"another operation":          {[]v1alpha1.ResponseAction{capture("other", of("u1"), ended("Succeeded", time.Second), func(a *v1alpha1.ResponseAction) { a.Spec.Use.Operation = "label" })}, CaptureStanding{}},
		"another connector":          {[]v1alpha1.ResponseAction{capture("other", of("u1"), ended("Succeeded", time.Second), func(a *v1alpha1.ResponseAction) { a.Spec.Use.Connector = "edr" })}, CaptureStanding{}},
		"an undo":                    {[]v1alpha1.ResponseAction{capture("other", of("u1"), ended("Succeeded", time.Second), func(a *v1alpha1.ResponseAction) { a.Spec.Use = nil })}, CaptureStanding{}},
		"the pod was replaced":       {[]v1alpha1.ResponseAction{capture("mine", of("u2"))}, lost("ResponseAction mine captures something else", until)},
		"failed":                     {[]v1alpha1.ResponseAction{capture("mine", of("u1"), ended("Failed", 0))}, lost("mine stands at Failed: so it was", until)},
		"nobody knows":               {[]v1alpha1.ResponseAction{capture("mine", of("u1"), ended("Unknown", 0))}, lost("mine stands at Unknown: so it was", until)},
		"denied":                     {[]v1alpha1.ResponseAction{capture("mine", of("u1"), stalled(v1alpha1.ReasonDenied))}, lost("mine stands at Denied: so it is", until)},
		"a right is missing":         {[]v1alpha1.ResponseAction{capture("mine", stalled(v1alpha1.ReasonForbidden))}, lost("mine stands at Forbidden: so it is", until)},
		"a minute is over":           {[]v1alpha1.ResponseAction{capture("mine", old)}, lost("mine was not begun", now)},
		"another's minute is over":   {[]v1alpha1.ResponseAction{capture("other", old)}, CaptureStanding{}},
		"one failed, another did it": {[]v1alpha1.ResponseAction{capture("mine", of("u1"), ended("Failed", 0)), capture("other", of("u1"), ended("Succeeded", 0))}, kept("other")},
		"one failed, another tries":  {[]v1alpha1.ResponseAction{capture("other"), capture("mine", of("u1"), ended("Failed", 0))}, CaptureStanding{State: CaptureUnderWay, By: "other", Until: until}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := wanted.Standing(tt.among, now)
			if got.State == CaptureMissing {
				got = CaptureStanding{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("standing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCaptureNames(t *testing.T) {
	action := func(name, uid, by string) *v1alpha1.ResponseAction {
		return &v1alpha1.ResponseAction{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}, Spec: v1alpha1.ResponseActionSpec{RequestedBy: by}}
	}
	pod := func(uid string) v1alpha1.TargetReference {
		return v1alpha1.TargetReference{Kind: "Pod", Name: "web-0", UID: uid}
	}
	first := CaptureName(action("delete-web-0", "a", ""), pod("u1"))
	if again := CaptureName(action("delete-web-0", "a", ""), pod("u1")); again != first {
		t.Errorf("not the same name twice: %s, %s", first, again)
	}
	for _, other := range []string{CaptureName(action("delete-web-0", "b", ""), pod("u1")), CaptureName(action("delete-web-0", "a", ""), pod("u2"))} {
		if other == first {
			t.Errorf("another action or pod has the same name: %s", other)
		}
	}
	if long := CaptureName(action(strings.Repeat("a", 253), "a", ""), pod("u1")); len(long) > 253 {
		t.Errorf("a name of %d characters", len(long))
	}
}

func TestNobodyApprovesTheCaptureForWhatTheyAskedFor(t *testing.T) {
	tests := map[string]struct {
		by   string
		want []string
	}{
		"a person":             {"alice", []string{"alice"}},
		"a playbook":           {"playbook:shell", []string{"playbook:shell"}},
		"a playbook on grades": {PlaybookRequester("shell", "gina"), []string{PlaybookRequester("shell", "gina"), "gina"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			destroys := &v1alpha1.ResponseAction{ObjectMeta: metav1.ObjectMeta{Name: "delete-web-0"}, Spec: v1alpha1.ResponseActionSpec{RequestedBy: tt.by}}
			asks := CaptureRequester(destroys)
			if got := CapturesFor(asks); got != "delete-web-0" {
				t.Errorf("captures for %q", got)
			}
			capture := &v1alpha1.ResponseAction{Spec: v1alpha1.ResponseActionSpec{RequestedBy: asks}}
			if diff := cmp.Diff(append([]string{asks}, tt.want...), NewBallot(capture, nil, time.Time{}, time.Time{}).Requesters); diff != "" {
				t.Errorf("requesters (-want +got):\n%s", diff)
			}
		})
	}
	if got := CapturesFor("alice"); got != "" {
		t.Errorf("alice captures for %q", got)
	}
}
