package responseaction

import (
	"errors"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

func TestJudge(t *testing.T) {
	said := func(o v1alpha1.ActionOutcome) claim {
		return claim{result: &connectors.Result{Outcome: o, Message: "said so"}}
	}
	broken := claim{err: errors.New("connection reset")}
	crashed := claim{}
	blocked := claim{err: connectors.ErrBlocked}
	saw := func(e connectors.Effect) sighting { return sighting{effect: e} }
	blind := sighting{err: errors.New("timeout")}
	worn := attempt{executions: maxExecutions}
	cases := map[string]struct {
		claim   claim
		seen    sighting
		tried   attempt
		overdue bool
		move    move
		outcome v1alpha1.ActionOutcome
	}{
		"succeeded and seen":            {said(v1alpha1.OutcomeSucceeded), saw(connectors.EffectPresent), attempt{}, false, end, v1alpha1.OutcomeSucceeded},
		"succeeded but absent":          {said(v1alpha1.OutcomeSucceeded), saw(connectors.EffectAbsent), attempt{}, false, end, v1alpha1.OutcomeUnknown},
		"succeeded but partial":         {said(v1alpha1.OutcomeSucceeded), saw(connectors.EffectPartial), attempt{}, false, end, v1alpha1.OutcomeUnknown},
		"succeeded, cannot be seen":     {said(v1alpha1.OutcomeSucceeded), blind, attempt{}, false, end, v1alpha1.OutcomeUnknown},
		"unknown, but seen":             {said(v1alpha1.OutcomeUnknown), saw(connectors.EffectPresent), attempt{}, false, end, v1alpha1.OutcomeSucceeded},
		"unknown and absent":            {said(v1alpha1.OutcomeUnknown), saw(connectors.EffectAbsent), attempt{}, false, end, v1alpha1.OutcomeUnknown},
		"failed":                        {said(v1alpha1.OutcomeFailed), saw(connectors.EffectPresent), attempt{}, false, end, v1alpha1.OutcomeFailed},
		"skipped":                       {said(v1alpha1.OutcomeSkipped), sighting{}, attempt{}, false, end, v1alpha1.OutcomeSkipped},
		"error, but seen":               {broken, saw(connectors.EffectPresent), attempt{}, false, end, v1alpha1.OutcomeSucceeded},
		"error, absent":                 {broken, saw(connectors.EffectAbsent), attempt{}, false, retry, ""},
		"error, absent, worn out":       {broken, saw(connectors.EffectAbsent), worn, false, end, v1alpha1.OutcomeFailed},
		"definite error, absent":        {claim{err: connectors.ErrConflict}, saw(connectors.EffectAbsent), attempt{}, false, end, v1alpha1.OutcomeFailed},
		"error, partial":                {broken, saw(connectors.EffectPartial), attempt{}, false, retry, ""},
		"error, partial, worn out":      {broken, saw(connectors.EffectPartial), worn, false, end, v1alpha1.OutcomeUnknown},
		"definite error, partial":       {claim{err: connectors.ErrForbidden}, saw(connectors.EffectPartial), attempt{}, false, end, v1alpha1.OutcomeUnknown},
		"error, cannot be seen":         {broken, blind, attempt{}, false, retry, ""},
		"error, never seen":             {broken, blind, attempt{}, true, end, v1alpha1.OutcomeUnknown},
		"definite error, never seen":    {claim{err: connectors.ErrConflict}, saw(connectors.EffectUnknown), attempt{}, true, end, v1alpha1.OutcomeUnknown},
		"blocked, absent":               {blocked, saw(connectors.EffectAbsent), worn, false, hold, ""},
		"blocked, absent, for long":     {blocked, saw(connectors.EffectAbsent), attempt{}, true, end, v1alpha1.OutcomeFailed},
		"blocked, partial":              {blocked, saw(connectors.EffectPartial), worn, false, hold, ""},
		"blocked, partial, for long":    {blocked, saw(connectors.EffectPartial), attempt{}, true, end, v1alpha1.OutcomeUnknown},
		"blocked, but seen":             {blocked, saw(connectors.EffectPresent), attempt{}, false, end, v1alpha1.OutcomeSucceeded},
		"blocked, cannot be seen":       {blocked, blind, attempt{}, false, retry, ""},
		"crashed, seen":                 {crashed, saw(connectors.EffectPresent), attempt{}, false, end, v1alpha1.OutcomeSucceeded},
		"crashed, absent":               {crashed, saw(connectors.EffectAbsent), attempt{}, false, restart, ""},
		"crashed, absent, worn out":     {crashed, saw(connectors.EffectAbsent), worn, false, end, v1alpha1.OutcomeFailed},
		"crashed, partial":              {crashed, saw(connectors.EffectPartial), attempt{}, false, complete, ""},
		"crashed, partial, worn out":    {crashed, saw(connectors.EffectPartial), worn, false, end, v1alpha1.OutcomeUnknown},
		"crashed, the tool knows not":   {crashed, saw(connectors.EffectUnknown), attempt{}, false, retry, ""},
		"crashed, it never knows":       {crashed, saw(connectors.EffectUnknown), attempt{}, true, end, v1alpha1.OutcomeUnknown},
		"crashed, an effect unheard of": {crashed, saw("Purple"), attempt{}, true, end, v1alpha1.OutcomeUnknown},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := judge(tc.claim, tc.seen, tc.tried, tc.overdue)
			if got.move != tc.move || got.outcome != tc.outcome {
				t.Errorf("got %+v, want move %d, outcome %q", got, tc.move, tc.outcome)
			}
			if got.move == end && got.message == "" && tc.claim.result == nil {
				t.Error("an end without a word")
			}
		})
	}
}
