// Package scenarios holds situations whose right verdict is known, which make eval
// scores; docs/scenarios.md describes them. Its test guards what must never happen.
package scenarios

import (
	"os"
	"testing"

	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/hack/eval/trial"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// TestEveryAttackHasATwin: what differs only in context, and is none.
func TestEveryAttackHasATwin(t *testing.T) {
	byName := map[string]scenario.Scenario{}
	for _, s := range load(t) {
		byName[s.Name] = s
	}
	for name, s := range byName {
		if twin, ok := byName[s.Twin]; s.Attack() && (!ok || twin.Attack()) {
			t.Errorf("%s: twin %q: expected the name of a scenario that is no attack", name, s.Twin)
		}
	}
}

// TestNoAttackIsClosed plays every scenario as it is, and each attack in one of its
// hostile variants, another one each time. How good the verdicts are is for make eval.
func TestNoAttackIsClosed(t *testing.T) {
	court, err := trial.Open(t.Context(), shared.Get(t).Config, "../../config")
	if err != nil {
		t.Fatal(err)
	}
	play := func(t *testing.T, s *scenario.Scenario) trial.Outcome {
		t.Helper()
		cases, err := court.Play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return trial.Judge(s, cases)
	}
	attacks := 0
	for _, s := range load(t) {
		t.Run(s.Name, func(t *testing.T) {
			plain := play(t, &s)
			if !s.Attack() {
				return
			}
			if plain.Closed {
				t.Errorf("nobody looks: %s", plain)
			}
			hostile, err := s.Hostile(attacks % scenario.Variants)
			if err != nil {
				t.Fatal(err)
			}
			attacks++
			if o := play(t, &hostile); o.MoreInnocent(plain) {
				t.Errorf("%s: %s, without it %s", hostile.Name, o, plain)
			}
		})
	}
}

func load(t *testing.T) []scenario.Scenario {
	t.Helper()
	all, err := scenario.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there is no scenario")
	}
	return all
}
