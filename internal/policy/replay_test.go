package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestReplay(t *testing.T) {
	past := []Past{
		{Namespace: "soc", Action: "label-1", Time: time.Unix(1, 0), Input: Input{Action: Action{Operation: "label", Risk: v1alpha1.RiskLow}}},
		{Namespace: "soc", Action: "isolate-1", Time: time.Unix(2, 0), Input: Input{Action: Action{Operation: "isolate-pod", Risk: v1alpha1.RiskMedium}}},
		{Namespace: "shop", Action: "drain-1", Time: time.Unix(3, 0), Input: Input{Action: Action{Operation: "drain", Risk: v1alpha1.RiskHigh}}},
	}
	const two = `require contains {"tier": "senior", "approvals": 2, "reason": "two"} if input.action.operation == "isolate-pod"`
	one := []v1alpha1.ApprovalPolicy{tenants("soc", "p", `require contains {"tier": "senior", "approvals": 1, "reason": "one"} if true`)}
	tests := map[string]struct {
		inForce, candidates []v1alpha1.ApprovalPolicy
		want                map[string]int
	}{
		"nothing new":                {one, one, nil},
		"one more":                   {nil, []v1alpha1.ApprovalPolicy{tenants("soc", "p", two)}, map[string]int{"isolate-1": 1}},
		"one in place of another":    {one, []v1alpha1.ApprovalPolicy{tenants("soc", "p", two)}, map[string]int{"label-1": -1, "isolate-1": 1}},
		"one beside another":         {one, []v1alpha1.ApprovalPolicy{tenants("soc", "q", two)}, map[string]int{"isolate-1": 1}},
		"of the same name elsewhere": {one, []v1alpha1.ApprovalPolicy{tenants("shop", "p", two)}, nil},
		"denials":                    {one, []v1alpha1.ApprovalPolicy{tenants("soc", "q", `deny contains "no" if true`)}, map[string]int{"label-1": 1, "isolate-1": 1}},
		"the platform's":             {nil, []v1alpha1.ApprovalPolicy{tenants("tocsin-system", "p", `deny contains "no" if true`, "shop")}, map[string]int{"drain-1": 1}},
		"one that skips evidence":    {one, []v1alpha1.ApprovalPolicy{tenants("soc", "q", `skip_evidence contains "why not" if input.action.operation == "label"`)}, map[string]int{"label-1": -1}},
		"a laxer one":                {one, []v1alpha1.ApprovalPolicy{tenants("soc", "p", `allow contains "yes" if true`)}, map[string]int{"label-1": -1, "isolate-1": -1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got map[string]int
			for _, d := range Replay(t.Context(), "tocsin-system", tt.inForce, tt.candidates, past) {
				if got == nil {
					got = map[string]int{}
				}
				got[d.Action] = d.Stricter()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}
