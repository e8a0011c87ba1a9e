package responseaction

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// What policies decided on can be read back from the log, without the secrets in it.
func TestLogInput(t *testing.T) {
	input := func(arguments map[string]any) *policy.Input {
		return &policy.Input{Action: policy.Action{Operation: "label", Risk: v1alpha1.RiskLow, Arguments: arguments}, Time: policy.Time{Hour: 9}}
	}
	document := func(in *policy.Input) map[string]any {
		t.Helper()
		d, err := in.Document()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tests := map[string]struct {
		in   *policy.Input
		want map[string]any
	}{
		"as it is":       {input(map[string]any{"pod": "shop/web-0"}), map[string]any{"input": document(input(map[string]any{"pod": "shop/web-0"}))}},
		"a secret":       {input(map[string]any{"token": "hunter2"}), map[string]any{"input": document(input(map[string]any{"token": "[redacted]"})), "inputRedacted": true}},
		"too large":      {input(map[string]any{"pod": strings.Repeat("x", maxLogged)}), map[string]any{"input": "sha256:"}},
		"nobody decided": {nil, map[string]any{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := audit.Entry{Data: map[string]any{}}
			logInput(&e, tt.in)
			if digest, ok := e.Data["input"].(string); ok && len(digest) == len("sha256:")+64 {
				e.Data["input"] = digest[:len("sha256:")]
			}
			if diff := cmp.Diff(tt.want, e.Data); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
		})
	}
}
