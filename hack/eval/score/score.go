// Package score counts how good verdicts are.
package score

import (
	"math"
	"slices"
)

// Share is k of n, with the interval in which the true share lies 95 times in a hundred.
type Share struct{ Of, N int }

// Value is the share itself; 0 of nothing.
func (s Share) Value() float64 {
	if s.N == 0 {
		return 0
	}
	return float64(s.Of) / float64(s.N)
}

// Interval is that of Wilson, without continuity correction: E. B. Wilson, Probable
// Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
func (s Share) Interval() (low, high float64) {
	if s.N == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	n, p := float64(s.N), s.Value()
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}

// Forecast is a stated probability that something is an attack, and whether it is.
type Forecast struct {
	Probability float64
	Attack      bool
}

// Brier is the mean squared error of forecasts: G. W. Brier, Verification of
// Forecasts Expressed in Terms of Probability, Monthly Weather Review 78 (1950).
func Brier(all []Forecast) float64 {
	if len(all) == 0 {
		return 0
	}
	var sum float64
	for _, f := range all {
		happened := 0.0
		if f.Attack {
			happened = 1
		}
		sum += (f.Probability - happened) * (f.Probability - happened)
	}
	return sum / float64(len(all))
}

// Bin of a reliability table: of what was forecast between From and To, on average Stated, so many were attacks.
type Bin struct {
	From, To, Stated float64
	Attacks          Share
}

// Reliability sorts forecasts into bins of equal width; empty ones are left out.
func Reliability(all []Forecast, bins int) []Bin {
	table := make([]Bin, bins)
	for i := range table {
		table[i].From, table[i].To = float64(i)/float64(bins), float64(i+1)/float64(bins)
	}
	for _, f := range all {
		b := &table[min(int(f.Probability*float64(bins)), bins-1)]
		b.Stated += f.Probability
		b.Attacks.N++
		if f.Attack {
			b.Attacks.Of++
		}
	}
	table = slices.DeleteFunc(table, func(b Bin) bool { return b.Attacks.N == 0 })
	for i := range table {
		table[i].Stated /= float64(table[i].Attacks.N)
	}
	return table
}

// Percentile by nearest rank; 0 of nothing.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(p/100*float64(len(sorted))))-1, 0)]
}
