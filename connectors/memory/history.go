package memory

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/archive"
)

func ruleHistory(ctx context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	h, err := m.history.RuleHistory(ctx, m.namespace, text(arguments, "rule"), text(arguments, "case"))
	if err != nil {
		return nil, fmt.Errorf("history of rule %s: %w", text(arguments, "rule"), err)
	}
	s := sum(h.Grades, m.now())
	return map[string]any{
		"fired": h.Fired, "graded": s.attacks + s.benign + s.falsely, "lastFired": stamp(h.LastFired),
		"truePositives": s.attacks, "benignPositives": s.benign, "falsePositives": s.falsely,
		"effectiveGraded": tenths(s.effective), "effectiveTruePositives": tenths(s.effectiveAttacks),
	}, nil
}

// graded sums up the graded cases of a rule: by verdict, and by how much they still count.
type graded struct {
	attacks, benign, falsely    int64
	effective, effectiveAttacks float64
}

func sum(grades []archive.Grades, now time.Time) graded {
	const day = 24 * time.Hour
	var s graded
	for _, g := range grades {
		counts := float64(g.Cases) * analyst.Recency(int(now.UTC().Truncate(day).Sub(g.Day)/day))
		switch g.Verdict {
		case v1alpha1.TruePositive:
			s.attacks += g.Cases
			s.effectiveAttacks += counts
		case v1alpha1.BenignPositive:
			s.benign += g.Cases
		case v1alpha1.FalsePositive:
			s.falsely += g.Cases
		case v1alpha1.Undetermined:
			continue
		}
		s.effective += counts
	}
	return s
}

func tenths(n float64) float64 { return math.Round(10*n) / 10 }
