package responseaction

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

func TestWhatTheCaseNamesIsCapturedFirst(t *testing.T) {
	var wanted []connectors.Capture
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		wanted = append(wanted, connectors.Capture{Target: v1alpha1.TargetReference{Kind: "Pod", Namespace: "shop", Name: name}})
	}
	entity := func(kind v1alpha1.EntityType, value string) v1alpha1.Entity {
		return v1alpha1.Entity{Type: kind, Value: value}
	}
	tests := map[string]struct {
		wanted   []connectors.Capture
		entities []v1alpha1.Entity
		skip     []string
		want     string
	}{
		"nothing": {want: ""},
		"one":     {wanted: wanted[:1], want: "evidence of Pod shop/a is captured first"},
		"as many as are captured": {
			wanted: wanted[:5], want: "evidence of Pod shop/a, Pod shop/b, Pod shop/c, Pod shop/d, Pod shop/e is captured first",
		},
		"more": {
			wanted: wanted,
			want:   "evidence of Pod shop/a, Pod shop/b, Pod shop/c, Pod shop/d, Pod shop/e (not of 2 more, since at most 5 are captured) is captured first",
		},
		"some of which the case names": {
			wanted: wanted, entities: []v1alpha1.Entity{
				entity("Pod", "shop/g"), entity("Pod", "shop/c"), entity("Pod", "other/f"), entity("Workload", "shop/f"), entity("Pod", "shop/z"),
			},
			want: "evidence of Pod shop/c, Pod shop/g, Pod shop/a, Pod shop/b, Pod shop/d (not of 2 more, since at most 5 are captured) is captured first",
		},
		"a policy skips it": {wanted: wanted[:1], skip: []string{"p: no", "q: no"}, want: "evidence of Pod shop/a is not captured first: p: no; q: no"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &run{
				action: &v1alpha1.ResponseAction{}, plan: &connectors.Plan{Captures: tt.wanted},
				investigation: &v1alpha1.Investigation{Status: v1alpha1.InvestigationStatus{Entities: tt.entities}},
			}
			r.status().Decision = &v1alpha1.Decision{SkipEvidence: tt.skip}
			if diff := cmp.Diff(tt.want, promised(r)); diff != "" {
				t.Errorf("the plan says (-want +got):\n%s", diff)
			}
			r.investigation = nil
			if n := len(chooseCaptures(r)); n != min(len(tt.wanted), maxCaptures) {
				t.Errorf("%d outside a case", n)
			}
		})
	}
}
