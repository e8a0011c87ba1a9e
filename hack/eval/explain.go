package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/hack/eval/trial"
)

// explain tells the cases of scenarios whose names match a pattern such as backup-*, sum by sum, and in words.
func explain(ctx context.Context, w io.Writer, court *trial.Court, scenarios []scenario.Scenario, name string) error {
	told := false
	for i := range scenarios {
		s := &scenarios[i]
		if ok, _ := path.Match(name, s.Name); !ok {
			continue
		}
		told = true
		cases, err := court.Play(ctx, s)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		fmt.Fprintf(w, "\n%s: %s\nexpected %s, got %s\n", s.Name, s.About, s.Expect.Verdict, trial.Judge(s, cases))
		for _, c := range cases {
			fmt.Fprintf(w, "\n  case %s: %s\n", c.Name, c.Status.Title)
			for _, a := range c.Alerts {
				fmt.Fprintf(w, "    %s %s\n", a.Spec.Severity, a.Spec.Rule)
			}
			fmt.Fprintf(w, "    %+5.1f  prior: %s\n", float64(*c.Status.Prior)/10, c.Status.PriorReason)
			for _, e := range c.Status.Evidence {
				fmt.Fprintf(w, "    %+5.1f  %s (%s) %s\n", float64(e.Weight)/10, e.Finding, e.Question, e.Note)
			}
			fmt.Fprintf(w, "\n    %s\n", strings.ReplaceAll(strings.TrimSpace(c.Status.Narrative), "\n", "\n    "))
		}
	}
	if !told {
		return fmt.Errorf("EXPLAIN: no scenario's name matches %q", name)
	}
	return nil
}
