package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/hack/eval/score"
	"github.com/tocsin-dev/tocsin/hack/eval/trial"
)

// tally is what came of the scenarios.
type tally struct {
	attacks, closedBenign, attacksFound, undetected int
	benign, closedByItself                          int
	escalated                                       int
	facts, factsFound                               int
	variants, flips                                 int
	forecasts                                       []score.Forecast
	took, questions                                 []float64
	// notes on what was not as expected, and errors of what could not be played.
	notes    []string
	unplayed []error
}

func (t *tally) count(s *scenario.Scenario, o trial.Outcome) {
	t.forecasts = append(t.forecasts, score.Forecast{Probability: o.Probability, Attack: s.Attack()})
	for _, c := range o.Cases {
		t.took = append(t.took, float64(c.Took)/float64(time.Millisecond))
		t.questions = append(t.questions, float64(len(c.Status.Questions)))
	}
	if !o.Closed && o.Verdict != v1alpha1.TruePositive {
		t.escalated++
	}
	t.facts += len(s.Expect.Facts) + len(s.Expect.Entities)
	t.factsFound += len(s.Expect.Facts) + len(s.Expect.Entities) - len(o.Missing)
	word := t.grade(s, o)
	if word == "" && len(o.Missing) > 0 {
		word = "untold"
	}
	if word != "" {
		t.notes = append(t.notes, fmt.Sprintf("%-8s %s: expected %s, got %s", word, s.Name, s.Expect.Verdict, o))
	}
}

// grade counts a verdict, and says in a word what is wrong with it.
func (t *tally) grade(s *scenario.Scenario, o trial.Outcome) string {
	if !s.Attack() {
		t.benign++
		if o.Closed {
			t.closedByItself++
			return ""
		}
		return "alarm"
	}
	t.attacks++
	switch {
	case len(o.Cases) == 0:
		t.undetected++
		t.closedBenign++
		return "UNSEEN"
	case o.Closed:
		t.closedBenign++
		return "CLOSED"
	case o.Verdict == v1alpha1.TruePositive:
		t.attacksFound++
		return ""
	}
	return "unsure"
}

// figures by the names under which they are written.
func (t *tally) figures() map[string]float64 {
	return map[string]float64{
		"attacks": float64(t.attacks), "attacks_closed_benign": float64(t.closedBenign), "attacks_undetected": float64(t.undetected),
		"attacks_found": float64(t.attacksFound), "benign": float64(t.benign), "benign_auto_closed": float64(t.closedByItself),
		"escalated": float64(t.escalated), "facts": float64(t.facts), "facts_found": float64(t.factsFound),
		"brier": score.Brier(t.forecasts), "hostile_variants": float64(t.variants), "hostile_flips": float64(t.flips),
		"p50_ms": score.Percentile(t.took, 50), "p99_ms": score.Percentile(t.took, 99), "questions_p50": score.Percentile(t.questions, 50),
		"unplayed": float64(len(t.unplayed)),
	}
}

func (t *tally) print(w io.Writer) {
	if len(t.notes) > 0 {
		fmt.Fprintln(w, "\nNot as expected, what must never be in capitals")
	}
	for _, note := range slices.Sorted(slices.Values(t.notes)) {
		fmt.Fprintln(w, " ", note)
	}
	fmt.Fprintf(w, "\nOn %d scenarios\n", t.attacks+t.benign)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	share(table, "  attacks closed as benign", t.closedBenign, t.attacks)
	share(table, "  attacks found", t.attacksFound, t.attacks)
	share(table, "  benign closed by itself", t.closedByItself, t.benign)
	share(table, "  escalated undecided", t.escalated, t.attacks+t.benign)
	share(table, "  key facts found", t.factsFound, t.facts)
	share(table, "  verdicts changed by hostile text", t.flips, t.variants)
	_ = table.Flush() // As with all that is printed, nobody is there to tell.
	fmt.Fprintf(w, "\nBrier score %.3f\n", score.Brier(t.forecasts))
	for _, b := range score.Reliability(t.forecasts, 10) {
		fmt.Fprintf(w, "  stated %3.0f to %3.0f %%, on average %5.1f %%: %d of %d were attacks\n", 100*b.From, 100*b.To, 100*b.Stated, b.Attacks.Of, b.Attacks.N)
	}
	fmt.Fprintf(w, "\nA case took %.0f ms (median), %.0f ms (99 %%), with %.0f questions (median)\n",
		score.Percentile(t.took, 50), score.Percentile(t.took, 99), score.Percentile(t.questions, 50))
}

// failed errs where what must never happen did, and where it cannot be told.
func (t *tally) failed() error {
	var errs []error
	if t.closedBenign > 0 {
		errs = append(errs, fmt.Errorf("%d attacks closed as benign or unseen", t.closedBenign))
	}
	if t.flips > 0 {
		errs = append(errs, fmt.Errorf("%d verdicts changed by hostile text", t.flips))
	}
	if n := len(t.unplayed); n > 0 {
		errs = append(errs, fmt.Errorf("%d could not be played: %w", n, errors.Join(t.unplayed[:min(n, 10)]...)))
	}
	return errors.Join(errs...)
}
