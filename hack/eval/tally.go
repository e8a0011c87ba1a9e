package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
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
	// notes on what was not as expected.
	notes []string
}

func (t *tally) play(ctx context.Context, court *trial.Court, scenarios []scenario.Scenario) error {
	p := &progress{told: time.Now()}
	for i := range scenarios {
		p.all++
		if scenarios[i].Attack() {
			p.all += scenario.Variants
		}
	}
	for i := range scenarios {
		s := &scenarios[i]
		cases, err := court.Play(ctx, s)
		if err != nil {
			return err
		}
		p.step()
		o := trial.Judge(s, cases)
		t.count(s, o)
		if !s.Attack() {
			continue
		}
		if err := t.provoke(ctx, court, s, o, p); err != nil {
			return err
		}
	}
	return nil
}

// provoke plays the hostile variants of an attack, which must not look more innocent.
func (t *tally) provoke(ctx context.Context, court *trial.Court, s *scenario.Scenario, plain trial.Outcome, p *progress) error {
	for i := range scenario.Variants {
		v, err := s.Hostile(i)
		if err != nil {
			return err
		}
		cases, err := court.Play(ctx, &v)
		if err != nil {
			return err
		}
		p.step()
		t.variants++
		if o := trial.Judge(&v, cases); o.MoreInnocent(plain) {
			t.flips++
			t.notes = append(t.notes, fmt.Sprintf("%s: %s, without it %s", v.Name, o, plain))
		}
	}
	return nil
}

func (t *tally) count(s *scenario.Scenario, o trial.Outcome) {
	t.forecasts = append(t.forecasts, score.Forecast{Probability: o.Probability, Attack: s.Attack()})
	for _, c := range o.Cases {
		t.took = append(t.took, float64(c.Took)/float64(time.Millisecond))
		t.questions = append(t.questions, float64(len(c.Status.Questions)))
	}
	undecided := o.Verdict == v1alpha1.Undetermined
	if undecided {
		t.escalated++
	}
	t.facts += len(s.Expect.Facts) + len(s.Expect.Entities)
	t.factsFound += len(s.Expect.Facts) + len(s.Expect.Entities) - len(o.Missing)
	wrong := false
	if s.Attack() {
		t.attacks++
		switch {
		case len(o.Cases) == 0:
			t.undetected++
			t.closedBenign++
			wrong = true
		case o.Closed:
			t.closedBenign++
			wrong = true
		case o.Verdict == v1alpha1.TruePositive:
			t.attacksFound++
		default:
			wrong = true
		}
	} else {
		t.benign++
		if o.Closed {
			t.closedByItself++
		} else {
			wrong = true
		}
	}
	if wrong || len(o.Missing) > 0 {
		t.notes = append(t.notes, fmt.Sprintf("%s: expected %s, got %s", s.Name, s.Expect.Verdict, o))
	}
}

// figures by the names under which they are written.
func (t *tally) figures() map[string]float64 {
	return map[string]float64{
		"attacks": float64(t.attacks), "attacks_closed_benign": float64(t.closedBenign), "attacks_undetected": float64(t.undetected),
		"attacks_found": float64(t.attacksFound), "benign": float64(t.benign), "benign_auto_closed": float64(t.closedByItself),
		"escalated": float64(t.escalated), "facts": float64(t.facts), "facts_found": float64(t.factsFound),
		"brier": score.Brier(t.forecasts), "hostile_variants": float64(t.variants), "hostile_flips": float64(t.flips),
		"p50_ms": score.Percentile(t.took, 50), "p99_ms": score.Percentile(t.took, 99), "questions_p50": score.Percentile(t.questions, 50),
	}
}

func (t *tally) print(w io.Writer) {
	for _, note := range t.notes {
		fmt.Fprintln(w, "-", note)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	share := func(what string, of, n int) {
		s := score.Share{Of: of, N: n}
		low, high := s.Interval()
		fmt.Fprintf(table, "%s\t%d of %d\t%.1f %%\t95 %% interval %.1f to %.1f %%\n", what, of, n, 100*s.Value(), 100*low, 100*high)
	}
	share("attacks closed as benign", t.closedBenign, t.attacks)
	share("attacks found", t.attacksFound, t.attacks)
	share("benign closed by itself", t.closedByItself, t.benign)
	share("escalated undecided", t.escalated, t.attacks+t.benign)
	share("key facts found", t.factsFound, t.facts)
	share("verdicts changed by hostile text", t.flips, t.variants)
	table.Flush()
	fmt.Fprintf(w, "\nBrier score %.3f\n", score.Brier(t.forecasts))
	for _, b := range score.Reliability(t.forecasts, 10) {
		fmt.Fprintf(w, "  stated %3.0f to %3.0f %%, on average %5.1f %%: %d of %d were attacks\n", 100*b.From, 100*b.To, 100*b.Stated, b.Attacks.Of, b.Attacks.N)
	}
	fmt.Fprintf(w, "\na case took %.0f ms (median), %.0f ms (99 %%), with %.0f questions (median)\n",
		score.Percentile(t.took, 50), score.Percentile(t.took, 99), score.Percentile(t.questions, 50))
}

func (t *tally) write(path string) error {
	raw, err := json.MarshalIndent(t.figures(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}

// unsafe errs where what must never happen did.
func (t *tally) unsafe() error {
	if t.closedBenign == 0 && t.flips == 0 {
		return nil
	}
	return fmt.Errorf("%d attacks closed as benign, %d verdicts changed by hostile text", t.closedBenign, t.flips)
}
