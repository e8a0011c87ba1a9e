package activity

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestRecurrence(t *testing.T) {
	m := New(DefaultLimits)
	for day := 30; day > 0; day-- {
		m.Reached("EVENTS-1", uint64(31-day))
		m.RecordFiring("soc", fired("exec", "alice", "shop", noon.AddDate(0, 0, -day)))
	}
	sensor := v1alpha1.AlertSpec{Source: "falco", Rule: "exec", Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Value: "shop/web-0"}}}
	sensor.FirstSeen.Time = noon.AddDate(0, 0, -1)
	m.RecordFiring("soc", sensor)

	same := Firing{Source: "audit", Rule: "exec", Actor: "alice", Namespace: "shop"}
	tests := map[string]struct {
		namespace string
		of        func(*Firing)
		wantHours int
	}{
		"the same":                   {of: func(*Firing) {}, wantHours: 29},
		"another rule":               {of: func(f *Firing) { f.Rule = "attach" }},
		"somebody else":              {of: func(f *Firing) { f.Actor = "bob" }},
		"elsewhere":                  {of: func(f *Firing) { f.Namespace = "payments" }},
		"in the words of a sender":   {of: func(f *Firing) { f.Source = "generic" }},
		"in another tenant":          {namespace: "other", of: func(*Firing) {}},
		"nobody, whom a sensor sees": {of: func(f *Firing) { f.Source, f.Actor, f.Namespace = "falco", "", "" }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			asked, in := same, tc.namespace
			if in == "" {
				in = "soc"
			}
			tc.of(&asked)
			got, _ := m.Recurrence(in, asked, noon)
			// A month of days decays a little.
			if got.Hours < tc.wantHours-2 || got.Hours > tc.wantHours+1 || got.SeenBefore != (tc.wantHours > 0) {
				t.Errorf("%+v, want about %d hours", got, tc.wantHours)
			}
			if tc.wantHours > 0 && noon.Sub(got.FirstSeen) != 30*24*time.Hour {
				t.Errorf("first seen %s", got.FirstSeen)
			}
		})
	}
}
