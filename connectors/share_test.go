package connectors_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/connectors"
)

func TestExcessive(t *testing.T) {
	tests := map[string]struct {
		share connectors.Share
		want  bool
	}{
		"nothing is taken":                  {share: connectors.Share{Pods: 4, Serving: 1}},
		"the only pod":                      {share: connectors.Share{Pods: 1, Serving: 1, Taken: 1}},
		"one of two":                        {share: connectors.Share{Pods: 2, Serving: 2, Taken: 1}},
		"the other of two":                  {share: connectors.Share{Pods: 2, Serving: 1, Taken: 1}, want: true},
		"both of two":                       {share: connectors.Share{Pods: 2, Serving: 2, Taken: 2}, want: true},
		"one of three":                      {share: connectors.Share{Pods: 3, Serving: 3, Taken: 1}},
		"two of three":                      {share: connectors.Share{Pods: 3, Serving: 3, Taken: 2}, want: true},
		"half of four, one is away already": {share: connectors.Share{Pods: 4, Serving: 3, Taken: 2}, want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.share.Excessive(); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
