package decode

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestRemarks(t *testing.T) {
	tests := map[string]struct {
		mapping v1alpha1.GenericMapping
		want    string
	}{
		"nothing to say":        {v1alpha1.GenericMapping{Rule: "event.r", When: "event.open", Severity: "event.s"}, ""},
		"never an alert":        {v1alpha1.GenericMapping{Rule: "event.r", When: "false && event.open"}, "spec.mapping.when"},
		"a severity":            {v1alpha1.GenericMapping{Rule: "event.r", Severity: `"high"`}, ""},
		"no such severity":      {v1alpha1.GenericMapping{Rule: "event.r", Severity: `"severe"`}, "spec.mapping.severity"},
		"a number":              {v1alpha1.GenericMapping{Rule: "event.r", Severity: `3`}, "spec.mapping.severity"},
		"what does not compile": {v1alpha1.GenericMapping{Rule: "event.", When: "false"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, r := range Remarks(&v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: &tt.mapping}) {
				got += r.Path
			}
			if got != tt.want {
				t.Errorf("remarks about %q, want %q", got, tt.want)
			}
		})
	}
}
