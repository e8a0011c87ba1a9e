package score

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestInterval compares with published values: R. G. Newcombe, Two-sided confidence
// intervals for the single proportion, Statistics in Medicine 17 (1998), table I.
func TestInterval(t *testing.T) {
	tests := map[string]struct {
		share     Share
		low, high float64
	}{
		"81 of 263": {Share{81, 263}, 0.2553, 0.3662},
		"15 of 148": {Share{15, 148}, 0.0624, 0.1605},
		"0 of 20":   {Share{0, 20}, 0, 0.1611},
		"1 of 29":   {Share{1, 29}, 0.0061, 0.1718},
		"all of 20": {Share{20, 20}, 0.8389, 1},
		"nothing":   {Share{}, 0, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			low, high := tt.share.Interval()
			if math.Abs(low-tt.low) > 0.00006 || math.Abs(high-tt.high) > 0.00006 {
				t.Errorf("%.4f to %.4f, want %.4f to %.4f", low, high, tt.low, tt.high)
			}
		})
	}
}

func TestValue(t *testing.T) {
	if got := (Share{1, 4}).Value(); got != 0.25 {
		t.Errorf("%v, want 0.25", got)
	}
	if got := (Share{}).Value(); got != 0 {
		t.Errorf("%v of nothing, want 0", got)
	}
}

func TestBrier(t *testing.T) {
	tests := map[string]struct {
		all  []Forecast
		want float64
	}{
		"nothing":        {nil, 0},
		"always right":   {[]Forecast{{1, true}, {0, false}}, 0},
		"always wrong":   {[]Forecast{{0, true}, {1, false}}, 1},
		"always unsure":  {[]Forecast{{0.5, true}, {0.5, false}, {0.5, true}}, 0.25},
		"somewhat right": {[]Forecast{{0.9, true}, {0.2, false}}, (0.01 + 0.04) / 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Brier(tt.all); math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestReliability(t *testing.T) {
	tests := map[string]struct {
		all  []Forecast
		want []Bin
	}{
		"nothing": {nil, nil},
		"bins that are empty are left out": {
			[]Forecast{{0.01, false}, {0.03, true}, {0.97, true}},
			[]Bin{{0, 0.1, 0.02, Share{1, 2}}, {0.9, 1, 0.97, Share{1, 1}}},
		},
		"a limit belongs to the bin above": {[]Forecast{{0.5, true}}, []Bin{{0.5, 0.6, 0.5, Share{1, 1}}}},
		"certainty is in the last":         {[]Forecast{{1, true}, {0, false}}, []Bin{{0, 0.1, 0, Share{0, 1}}, {0.9, 1, 1, Share{1, 1}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Reliability(tt.all, 10)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	tests := map[string]struct {
		values []float64
		p      float64
		want   float64
	}{
		"nothing":                {nil, 50, 0},
		"one":                    {[]float64{7}, 99, 7},
		"the median of two":      {[]float64{9, 1}, 50, 1},
		"the median of three":    {[]float64{9, 1, 5}, 50, 5},
		"of a hundred, the 99th": {hundred, 99, 99},
		"of a hundred, the last": {hundred, 100, 100},
		"of a hundred, none":     {hundred, 0, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Percentile(tt.values, tt.p); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
