package responseaction

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

func TestReachOf(t *testing.T) {
	tests := map[string]struct {
		shares []connectors.Share
		want   *v1alpha1.PlanReach
	}{
		"nothing":               {nil, nil},
		"what served no more":   {[]connectors.Share{{Pods: 3, Serving: 2, Taken: 0}}, nil},
		"one of three":          {[]connectors.Share{{Pods: 3, Serving: 3, Taken: 1}}, &v1alpha1.PlanReach{Pods: 1, Workloads: 1, Percent: 34}},
		"several":               {[]connectors.Share{{Pods: 4, Serving: 4, Taken: 1}, {Pods: 2, Serving: 2, Taken: 2}, {Pods: 2}}, &v1alpha1.PlanReach{Pods: 3, Workloads: 2, Percent: 100}},
		"more than are desired": {[]connectors.Share{{Pods: 1, Serving: 2, Taken: 2}}, &v1alpha1.PlanReach{Pods: 2, Workloads: 1, Percent: 100}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, reachOf(tt.shares)); diff != "" {
				t.Errorf("reach (-want +got):\n%s", diff)
			}
		})
	}
}
