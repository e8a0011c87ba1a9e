package response_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

func TestWait(t *testing.T) {
	patient := func(tier v1alpha1.Tier, remind, escalate time.Duration) v1alpha1.Decision {
		d := require(tier, 1)
		d.RemindAfter, d.EscalateAfter = &metav1.Duration{Duration: remind}, &metav1.Duration{Duration: escalate}
		return d
	}
	const minute = time.Minute
	tests := map[string]struct {
		decision v1alpha1.Decision
		waited   time.Duration
		reminded int32
		told     v1alpha1.Tier
		next     time.Duration // after the wait began; 0 for never
	}{
		"nothing is due at once":          {patient(analyst, 10*minute, 25*minute), 0, 0, "", 10 * minute},
		"a reminder":                      {patient(analyst, 10*minute, 25*minute), 10 * minute, 1, "", 20 * minute},
		"escalation is next":              {patient(analyst, 10*minute, 25*minute), 21 * minute, 2, "", 25 * minute},
		"escalated":                       {patient(analyst, 10*minute, 25*minute), 25 * minute, 2, senior, 30 * minute},
		"no tier above senior":            {patient(senior, 10*minute, 25*minute), 90 * minute, 9, "", 100 * minute},
		"break-glass is above senior":     {breakable(patient(senior, 10*minute, 25*minute)), 25 * minute, 2, glass, 30 * minute},
		"two tiers, one after the other":  {breakable(patient(analyst, time.Hour, 25*minute)), 49 * minute, 0, senior, 50 * minute},
		"two tiers later":                 {breakable(patient(analyst, time.Hour, 25*minute)), 50 * minute, 0, glass, time.Hour},
		"a decision that says nothing":    {require(analyst, 1), 50 * minute, 0, "", 0},
		"durations that are none":         {patient(analyst, 0, -minute), 50 * minute, 0, "", 0},
		"a clock that was set back":       {patient(analyst, 10*minute, 25*minute), -minute, 0, "", 10 * minute},
		"several reminders, counted once": {patient(analyst, 10*minute, 24*time.Hour), 45 * minute, 4, "", 50 * minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := response.Patience{Reminders: test.reminded, EscalatedTo: test.told}
			if test.next != 0 {
				want.Next = now.Add(test.next)
			}
			if diff := cmp.Diff(want, response.Wait(test.decision, now, now.Add(test.waited))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
