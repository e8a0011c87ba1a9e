package response_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

func TestAfter(t *testing.T) {
	standing := func(reason string, stalled bool, outcome v1alpha1.ActionOutcome) *v1alpha1.ResponseAction {
		a := &v1alpha1.ResponseAction{}
		a.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}}
		if stalled {
			a.Status.Conditions = append(a.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: reason})
		}
		if outcome != "" {
			a.Status.Result = &v1alpha1.ActionResult{Outcome: outcome}
		}
		return a
	}
	const wait, run, giveUp = response.CourseWait, response.CourseGo, response.CourseGiveUp
	succeeded, failed := standing("Succeeded", false, "Succeeded"), standing("Failed", true, "Failed")
	denied, stuck, unmet := standing("Denied", true, ""), standing("PlanFailed", true, ""), standing("ConditionNotMet", true, "")
	tests := map[string]struct {
		wanted []v1alpha1.ActionEnd
		other  *v1alpha1.ResponseAction
		want   response.Course
	}{
		"not looked at yet": {nil, &v1alpha1.ResponseAction{}, wait},
		"it waits":          {nil, standing("WaitingForApproval", false, ""), wait},
		"it runs, and somebody wants its refusal": {[]v1alpha1.ActionEnd{"Refused"}, standing("Executing", false, ""), wait},
		"done":                                {nil, succeeded, run},
		"nothing was to do":                   {nil, standing("Skipped", false, "Skipped"), run},
		"undone since":                        {nil, standing("Undone", false, "Succeeded"), run},
		"failed":                              {nil, failed, giveUp},
		"unknown":                             {nil, standing("Unknown", true, "Unknown"), giveUp},
		"denied":                              {nil, denied, giveUp},
		"what it depended on ended otherwise": {nil, unmet, giveUp},
		"stuck, but not for ever":             {nil, stuck, wait},
		"a way out where it failed":           {[]v1alpha1.ActionEnd{"Failed", "Unknown"}, failed, run},
		"no way out is needed":                {[]v1alpha1.ActionEnd{"Failed", "Unknown"}, succeeded, giveUp},
		"a way out where it was denied":       {[]v1alpha1.ActionEnd{"Refused"}, denied, run},
		"a way out where it is stuck":         {[]v1alpha1.ActionEnd{"Refused"}, stuck, run},
		"a way out of a way out":              {[]v1alpha1.ActionEnd{"Refused"}, unmet, run},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := response.After(test.wanted, test.other); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
