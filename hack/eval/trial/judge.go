package trial

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
)

// Outcome is what came of a scenario. The most suspicious of its cases speaks for it.
type Outcome struct {
	Cases       []Case
	Verdict     v1alpha1.Verdict
	Probability float64
	// Closed: no human looks, because every case closed by itself or there was none.
	Closed bool
	// Missing are the expected facts and entities that no case tells.
	Missing []string
}

// Judge compares cases with what a scenario expects.
func Judge(s *scenario.Scenario, cases []Case) Outcome {
	o := Outcome{Cases: cases, Closed: true}
	for i, c := range cases {
		if i == 0 {
			o.Verdict, o.Probability = c.Status.Verdict, float64(*c.Status.ProbabilityPermille)/1000
		}
		o.Closed = o.Closed && !c.Escalated
	}
	for _, entity := range s.Expect.Entities {
		if !slices.ContainsFunc(cases, func(c Case) bool { return names(c, entity) }) {
			o.Missing = append(o.Missing, entity)
		}
	}
	for _, fact := range s.Expect.Facts {
		pattern := regexp.MustCompile(fact) // compiled when it was loaded
		if !slices.ContainsFunc(cases, func(c Case) bool { return tells(c, pattern) }) {
			o.Missing = append(o.Missing, "/"+fact+"/")
		}
	}
	return o
}

func names(c Case, entity string) bool {
	return slices.ContainsFunc(c.Status.Entities, func(e v1alpha1.Entity) bool { return e.Key() == entity })
}

func tells(c Case, pattern *regexp.Regexp) bool {
	for _, e := range c.Status.Timeline {
		if pattern.MatchString(e.What) {
			return true
		}
	}
	for _, e := range c.Status.Evidence {
		if pattern.MatchString(e.Finding) {
			return true
		}
	}
	return pattern.MatchString(c.Status.Narrative)
}

// suspicion orders verdicts; none means that nothing was seen.
func (o Outcome) suspicion() int {
	switch {
	case o.Closed:
		return 0
	case o.Verdict == v1alpha1.TruePositive:
		return 2
	}
	return 1
}

// MoreInnocent says whether the outcome is less of an attack than another.
func (o Outcome) MoreInnocent(than Outcome) bool { return o.suspicion() < than.suspicion() }

// String tells the outcome in a line.
func (o Outcome) String() string {
	if len(o.Cases) == 0 {
		return "no alert"
	}
	text := fmt.Sprintf("%s at %+.1f dB", o.Verdict, float64(*o.Cases[0].Status.Score)/10)
	if len(o.Cases) > 1 {
		text += fmt.Sprintf(" in the worst of %d cases", len(o.Cases))
	}
	if len(o.Missing) > 0 {
		text += ", without " + strings.Join(o.Missing, " and ")
	}
	return text
}
