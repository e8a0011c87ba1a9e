package decode_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestCount(t *testing.T) {
	falco := v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco}
	audit := v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatKubernetesAudit}
	generic := v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: &v1alpha1.GenericMapping{Rule: "event.rule"}}
	listed := v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: &v1alpha1.GenericMapping{Rule: "event.rule", Items: "body.a + body.b.filter(x, x > 1)"}}
	tests := map[string]struct {
		spec v1alpha1.AlertSourceSpec
		body string
		want int
	}{
		"Falco, one":                {falco, `{"rule":"r"}`, 1},
		"Falco, list":               {falco, `[{"rule":"r","tags":[1,2]},{},7]`, 3},
		"Falco, empty list":         {falco, `[]`, 1},
		"audit, list":               {audit, `{"kind":"EventList","items":[{},{"items":[1,2,3]}]}`, 2},
		"audit, one":                {audit, `{"kind":"Event"}`, 1},
		"audit, something else":     {audit, `[1,2]`, 1},
		"generic, one":              {generic, `[1,2,3]`, 1},
		"generic, items":            {listed, `{"a":[1,2],"b":[0,1,2,3]}`, 4},
		"generic, items that fail":  {listed, `{"a":7}`, 1},
		"generic, not even decoded": {listed, `{"a"`, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := decoder(t, tc.spec).Count([]byte(tc.body)); got != tc.want {
				t.Errorf("%d events, want %d", got, tc.want)
			}
		})
	}
}
