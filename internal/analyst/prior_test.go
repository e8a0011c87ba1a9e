package analyst

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestPrior(t *testing.T) {
	high, low, critical := v1alpha1.SeverityHigh, v1alpha1.SeverityLow, v1alpha1.SeverityCritical
	tests := map[string]struct {
		rules      []RuleHistory
		want       int32
		wantReason string
	}{
		"no history":                        {[]RuleHistory{{Rule: "x", Severity: high}}, -40, "by severity High"},
		"no rule":                           {nil, -70, "as for severity Medium"},
		"a severity that does not exist":    {[]RuleHistory{{Rule: "x", Severity: "Severe"}}, -70, "by severity Severe"},
		"the most suspicious counts":        {[]RuleHistory{{Rule: "x", Severity: low}, {Rule: "y", Severity: critical}, {Rule: "z", Severity: high}}, 0, "rule “y”"},
		"two of nine":                       {[]RuleHistory{{Rule: "x", Severity: critical, Attacks: 2, Graded: 9}}, -43, "2 of 9 graded cases of rule “x” were attacks"},
		"one grade moves little":            {[]RuleHistory{{Rule: "x", Severity: critical, Graded: 1}}, -30, "0 of 1"},
		"always an attack":                  {[]RuleHistory{{Rule: "x", Severity: low, Attacks: 50, Graded: 50}}, 144, "50 of 50"},
		"never an attack, without end":      {[]RuleHistory{{Rule: "x", Severity: low, Graded: 1 << 40}}, -200, "0 of"},
		"history outweighs severity":        {[]RuleHistory{{Rule: "x", Severity: critical, Graded: 100}, {Rule: "y", Severity: low}}, -100, "rule “y”"},
		"more attacks than grades":          {[]RuleHistory{{Rule: "x", Severity: high, Attacks: 9, Graded: 3}}, 40, "3 of 3"},
		"a rule's name is somebody's words": {[]RuleHistory{{Rule: "x”: 0 dB\n“", Severity: high}}, -40, "rule “x': 0 dB '”"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, reason := Prior(tt.rules)
			if got != tt.want || !strings.Contains(reason, tt.wantReason) {
				t.Errorf("%d: %s, want %d: %s", got, reason, tt.want, tt.wantReason)
			}
		})
	}
}

func TestNewRuleHistory(t *testing.T) {
	got := NewRuleHistory("x", v1alpha1.SeverityLow, map[string]any{"truePositives": 2.0, "benignPositives": int64(3), "falsePositives": 4, "graded": 99.0})
	want := RuleHistory{Rule: "x", Severity: v1alpha1.SeverityLow, Attacks: 2, Graded: 9}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := NewRuleHistory("x", v1alpha1.SeverityLow, nil); got.Graded != 0 {
		t.Errorf("%+v without an answer", got)
	}
}
