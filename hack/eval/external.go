package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tocsin-dev/tocsin/hack/eval/external"
	"github.com/tocsin-dev/tocsin/hack/eval/score"
)

// addExternal adds the figures on the sets of others to those on scenarios.
func addExternal(figures map[string]float64, s external.Score) {
	agreement := func(name string, r *external.Report) {
		if r == nil {
			return
		}
		figures["external_"+name+"_cases"] = float64(r.Cases)
		figures["external_"+name+"_agree"] = float64(r.Agree)
		figures["external_"+name+"_on_purpose"] = float64(len(r.OnPurpose))
	}
	agreement("falco", s.Falco)
	agreement("panther", s.Panther)
	if c := s.Coverage; c != nil {
		figures["external_falco_rules"] = float64(c.Rules)
		figures["external_falco_rules_covered"] = float64(c.Rules - len(c.Neither))
	}
	for name, p := range s.Parsed {
		figures["external_"+name+"_bodies"] = float64(p.Bodies)
		figures["external_"+name+"_alerts"] = float64(p.Alerts)
		figures["external_"+name+"_failures"] = float64(len(p.Failures))
	}
}

func printExternal(w io.Writer, s external.Score) {
	fmt.Fprintln(w, "\nOn the sets of others")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	agreement := func(name string, r *external.Report) {
		if r != nil {
			share(table, "  agrees with "+name, r.Agree, r.Cases)
		}
	}
	agreement("Falco's tests of audit events", s.Falco)
	agreement("Panther's tests of Kubernetes", s.Panther)
	if c := s.Coverage; c != nil {
		share(table, "  rules of Falco with a playbook or an equal", c.Rules-len(c.Neither), c.Rules)
	}
	_ = table.Flush() // As with all that is printed, nobody is there to tell.
	for _, name := range slices.Sorted(maps.Keys(s.Parsed)) {
		p := s.Parsed[name]
		fmt.Fprintf(w, "  %s: %d bodies gave %d alerts and %d failures\n", name, p.Bodies, p.Alerts, len(p.Failures))
		for _, failure := range p.Failures[:min(len(p.Failures), 5)] {
			fmt.Fprintln(w, "    -", failure)
		}
	}
	if s.Others > 0 {
		fmt.Fprintf(w, "  %d tests of Panther are events of clouds, not of an API server\n", s.Others)
	}
	differences(w, "Falco", s.Falco)
	differences(w, "Panther", s.Panther)
	if s.Coverage != nil && len(s.Coverage.Neither) > 0 {
		fmt.Fprintf(w, "\nUniversal questions only: %s\n", strings.Join(s.Coverage.Neither, "; "))
	}
}

// differences lists what was not meant to differ first.
func differences(w io.Writer, name string, r *external.Report) {
	if r == nil || len(r.Disagree)+len(r.OnPurpose) == 0 {
		return
	}
	fmt.Fprintf(w, "\nWhere %s says something else\n", name)
	for _, o := range r.Disagree {
		want := rules(o.Want)
		if len(o.Unwanted) > 0 {
			want = "none of " + rules(o.Unwanted)
		}
		fmt.Fprintf(w, "  NOT MEANT  %s: got %s, want %s\n", o.Case, rules(o.Got), want)
	}
	why := map[string][]string{}
	for _, o := range r.OnPurpose {
		why[o.Why] = append(why[o.Why], fmt.Sprintf("%s: got %s", o.Case, rules(o.Got)))
	}
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		fmt.Fprintf(w, "  on purpose, %s:\n    - %s\n", reason, strings.Join(why[reason], "\n    - "))
	}
}

func rules(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// share writes k of n with its interval as a row.
func share(w io.Writer, what string, of, n int) {
	s := score.Share{Of: of, N: n}
	low, high := s.Interval()
	fmt.Fprintf(w, "%s\t%d of %d\t%.1f %%\t95 %% interval %.1f to %.1f %%\n", what, of, n, 100*s.Value(), 100*low, 100*high)
}
