package analyst

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestPrior(t *testing.T) {
	high, low, critical := v1alpha1.SeverityHigh, v1alpha1.SeverityLow, v1alpha1.SeverityCritical
	tests := map[string]struct {
		rule       RuleHistory
		want       int32
		wantReason string
	}{
		"no history":                        {RuleHistory{Rule: "x", Severity: high}, -40, "by severity High"},
		"a severity that does not exist":    {RuleHistory{Rule: "x", Severity: "Severe"}, -70, "by severity Severe"},
		"two of nine, all of today":         {graded(critical, 2, 9, 2, 9), -43, "2 of 9 graded cases of rule “x” were attacks, recent ones count more: effective 2.0 of 9.0; with severity Critical as 2 cases more: (2.0 + 2 x 50.0 %) / (9.0 + 2)"},
		"two of nine, some of them old":     {graded(critical, 2, 9, 1.6, 7.2), -40, "2 of 9 graded cases of rule “x” were attacks, recent ones count more: effective 1.6 of 7.2;"},
		"the sum is of what is shown":       {graded(critical, 2, 9, 1.6499, 7.1501), -40, "effective 1.6 of 7.2"},
		"only the attacks are recent":       {graded(critical, 2, 9, 2, 2.1), 44, "effective 2.0 of 2.1"},
		"all is forgotten":                  {graded(critical, 2, 9, 0.01, 0.04), 0, "2 of 9 graded cases of rule “x” were attacks, recent ones count more: effective 0.0 of 0.0"},
		"one grade moves little":            {graded(critical, 0, 1, 0, 1), -30, "0 of 1"},
		"always an attack":                  {graded(low, 50, 50, 50, 50), 144, "50 of 50"},
		"never an attack, without end":      {graded(low, 0, 1<<40, 0, 1<<40), -200, "; at most 20 dB count"},
		"more attacks than grades":          {graded(high, 9, 3, 9, 3), 40, "3 of 3"},
		"less than nothing":                 {graded(critical, -1, 3, -1, -3), 0, "0 of 3"},
		"a rule's name is somebody's words": {RuleHistory{Rule: "x”: 0 dB\n“", Severity: high}, -40, "rule “x': 0 dB '”"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Believe("a", tt.rule)
			if got.Alert != "a" || got.Prior != tt.want || !strings.Contains(got.Reason, tt.wantReason) {
				t.Errorf("%+v, want %d: %s", got, tt.want, tt.wantReason)
			}
		})
	}
}

func graded(severity v1alpha1.Severity, attacks, all int64, effectiveAttacks, effective float64) RuleHistory {
	return RuleHistory{Rule: "x", Severity: severity, Attacks: attacks, Graded: all, EffectiveAttacks: effectiveAttacks, EffectiveGraded: effective}
}

func TestRecency(t *testing.T) {
	for days, want := range map[int]float64{-1: 1, 0: 1, HalfLife: 0.5, 2 * HalfLife: 0.25, 10 * HalfLife: 1.0 / 1024} {
		if got := Recency(days); got != want {
			t.Errorf("a case of %d days ago counts %v, want %v", days, got, want)
		}
	}
}

// A person who reads only the reason gets the same prior.
func TestPriorCanBeDoneAgain(t *testing.T) {
	for attacks := range 20 {
		for benign := range 20 {
			effective := float64(attacks)*0.77 + float64(benign)*0.41
			got, reason := graded(v1alpha1.SeverityHigh, int64(attacks), int64(attacks+benign+1), float64(attacks)*0.77, effective+0.41).prior()
			_, figures, _ := strings.Cut(reason, "cases more: ")
			var a, p, m, n, q float64
			if _, err := fmt.Sscanf(figures, "(%f + %f x %f %%) / (%f + %f)", &a, &p, &m, &n, &q); err != nil {
				t.Fatalf("%s: %v", reason, err)
			}
			mean := (a + p*m/100) / (n + q)
			if want := 100 * math.Log10(mean/(1-mean)); math.Abs(want-float64(got)) > 1 {
				t.Errorf("%s: by hand %.1f, got %d centibans", reason, want, got)
			}
		}
	}
}

func TestNewRuleHistory(t *testing.T) {
	got := NewRuleHistory("x", v1alpha1.SeverityLow, map[string]any{
		"truePositives": 2.0, "benignPositives": int64(3), "falsePositives": 4, "graded": 99.0,
		"effectiveTruePositives": 1.6, "effectiveGraded": int64(7),
	})
	want := graded(v1alpha1.SeverityLow, 2, 9, 1.6, 7)
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := NewRuleHistory("x", v1alpha1.SeverityLow, nil); got.Graded != 0 || got.EffectiveGraded != 0 {
		t.Errorf("%+v without an answer", got)
	}
}
