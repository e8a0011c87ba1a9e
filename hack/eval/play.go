package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/hack/eval/trial"
)

// play plays scenarios. One that cannot be played does not keep the others from it.
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
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.step()
		if err != nil {
			t.unplayed = append(t.unplayed, err)
			continue
		}
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
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.step()
		if err != nil {
			t.unplayed = append(t.unplayed, err)
			continue
		}
		t.variants++
		if o := trial.Judge(&v, cases); o.MoreInnocent(plain) {
			t.flips++
			t.notes = append(t.notes, fmt.Sprintf("FLIPPED  %s: %s; without the text %s", v.Name, o, plain))
		}
	}
	return nil
}

// progress tells how far it is, at most every two seconds.
type progress struct {
	all  int
	done int
	told time.Time
}

func (p *progress) step() {
	p.done++
	if time.Since(p.told) > 2*time.Second {
		p.told = time.Now()
		fmt.Fprintf(os.Stderr, "%d of %d played\n", p.done, p.all)
	}
}
