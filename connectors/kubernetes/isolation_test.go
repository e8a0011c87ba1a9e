package kubernetes

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
)

func TestPolicyName(t *testing.T) {
	const uid = "7f3a0000-1111-4222-8333-444455556666"
	tests := map[string]struct{ pod, want string }{
		"short":           {pod: "web-0", want: "tocsin-quarantine-web-0-7f3a0000"},
		"too long":        {pod: strings.Repeat("w", 253), want: "tocsin-quarantine-" + strings.Repeat("w", 36) + "-7f3a0000"},
		"cut at a dot":    {pod: strings.Repeat("w", 35) + ".example", want: "tocsin-quarantine-" + strings.Repeat("w", 35) + "-7f3a0000"},
		"cut at a hyphen": {pod: strings.Repeat("w", 34) + "--example", want: "tocsin-quarantine-" + strings.Repeat("w", 34) + "-7f3a0000"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := policyName(test.pod, uid)
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if wrong := append(validation.NameIsDNSSubdomain(got, false), utilvalidation.IsValidLabelValue(got)...); len(wrong) > 0 {
				t.Errorf("%s: %v", got, wrong)
			}
		})
	}
}
