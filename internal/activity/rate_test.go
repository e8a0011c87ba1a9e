package activity

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRate(t *testing.T) {
	type burst struct {
		at               time.Time
		requests, denied int
	}
	everyHour := func(hours, requests int) []burst {
		var all []burst
		for i := range hours {
			all = append(all, burst{noon.Add(time.Duration(i-hours) * time.Hour), requests, 1})
		}
		return all
	}
	tests := map[string]struct {
		bursts []burst
		want   Rate
		wantOK bool
	}{
		"nobody": {},
		"nothing now": {
			bursts: everyHour(20, 5), want: Rate{Usual: 5, Peak: 5, PeakDenied: 1, Spans: 20},
		},
		"as ever": {
			bursts: append(everyHour(20, 5), burst{noon, 5, 0}),
			want:   Rate{Requests: 5, Usual: 5, Peak: 5, PeakDenied: 1, Spans: 20}, wantOK: true,
		},
		"a burst, split by the clock": {
			bursts: append(everyHour(20, 5), burst{noon.Add(-time.Second), 30, 2}, burst{noon.Add(time.Second), 300, 40}),
			want:   Rate{Requests: 300, Denied: 40, Usual: 5, Peak: 5, PeakDenied: 1, Spans: 20}, wantOK: true,
		},
		"a burst that went on": {
			bursts: append(everyHour(20, 5), burst{noon, 9, 0}, burst{noon.Add(20 * time.Minute), 300, 0}),
			want:   Rate{Requests: 300, Usual: 5, Peak: 5, PeakDenied: 1, Spans: 20}, wantOK: true,
		},
		"what comes late counts where it belongs": {
			bursts: []burst{{noon, 2, 0}, {noon.Add(-time.Hour), 3, 0}, {noon.Add(-30 * time.Minute), 5, 1}},
			want:   Rate{Requests: 2, Usual: 4, Peak: 5, PeakDenied: 1, Spans: 2}, wantOK: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			for _, b := range test.bursts {
				for i := range b.requests {
					c := 200.0
					if i < b.denied {
						c = 403
					}
					m.Record("soc", event("get", "pods", "shop", "p", code(c)), b.at)
				}
			}
			got, ok := m.Rate("soc", web, noon)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateApprox(0.1, 0)); diff != "" || ok != test.wantOK {
				t.Errorf("%v, rate (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// TestAPeakFades: a burst of long ago does not hide one of today.
func TestAPeakFades(t *testing.T) {
	var r rate
	for range 1000 {
		r.saw(noon.Add(-28*24*time.Hour), false)
	}
	for i := range 2 * maxSpans {
		r.saw(noon.Add(time.Duration(i-2*maxSpans)*time.Hour), false)
	}
	if got := r.about(noon); got.Peak < 50 || got.Peak > 70 {
		t.Errorf("peak %g, want some 1000/16", got.Peak)
	}
}
