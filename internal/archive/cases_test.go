package archive

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func graded(name string, opened time.Time, verdict v1alpha1.Verdict, by string) Case {
	c := Case{
		Namespace: "soc", Name: name, UID: "uid-of-" + name, Title: "a shell", Narrative: "What happened\n  09:00:00 a shell", Priority: v1alpha1.PriorityP3,
		Severity: v1alpha1.SeverityLow, Verdict: v1alpha1.Undetermined, Analyst: v1alpha1.Undetermined, Score: -40, Alerts: 2, Opened: opened, Concluded: opened.Add(time.Second),
	}
	if verdict != "" {
		c.Verdict, c.Grade = verdict, &Grade{Verdict: verdict, By: by}
	}
	return c
}

func put(t testing.TB, a *Archive, c Case, rules ...string) bool {
	t.Helper()
	regraded, err := a.PutCase(t.Context(), c, rules)
	must(t, err)
	return regraded
}

func grades(at time.Time, verdict v1alpha1.Verdict, cases int64) Grades {
	return Grades{Day: at.Truncate(day), Verdict: verdict, Cases: cases}
}

// A grade is history of the rules of its case and of nothing else, and the latest counts.
func TestGrades(t *testing.T) {
	const tp, bp, fp = v1alpha1.TruePositive, v1alpha1.BenignPositive, v1alpha1.FalsePositive
	earlier := noon.AddDate(0, 0, -40)
	type step struct {
		c     Case
		rules []string
	}
	anew := graded("a", noon, "", "")
	anew.UID = "another"
	tests := map[string]struct {
		steps     []step
		except    string
		wantShell []Grades
		wantMiner []Grades
		regraded  bool // by the last step
	}{
		"a case without a grade":  {steps: []step{{graded("a", noon, "", ""), []string{"shell"}}}},
		"one grade, two alerts":   {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell", "shell"}}}, wantShell: []Grades{grades(noon, tp, 1)}, regraded: true},
		"the same grade again":    {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {graded("a", noon, tp, "alice"), []string{"shell"}}}, wantShell: []Grades{grades(noon, tp, 1)}},
		"each rule of the case":   {steps: []step{{graded("a", noon, bp, "alice"), []string{"shell", "miner"}}}, wantShell: []Grades{grades(noon, bp, 1)}, wantMiner: []Grades{grades(noon, bp, 1)}, regraded: true},
		"two cases of two days":   {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {graded("b", earlier, bp, "bob"), []string{"shell"}}}, wantShell: []Grades{grades(earlier, bp, 1), grades(noon, tp, 1)}, regraded: true},
		"two cases of one day":    {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {graded("b", noon.Add(time.Hour), tp, "bob"), []string{"shell"}}}, wantShell: []Grades{grades(noon, tp, 2)}, regraded: true},
		"replaced by another":     {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {graded("a", noon, fp, "bob"), []string{"shell"}}}, wantShell: []Grades{grades(noon, fp, 1)}, regraded: true},
		"taken back":              {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {graded("a", noon, "", ""), []string{"shell"}}}, regraded: true},
		"of a case made anew":     {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {anew, []string{"shell"}}}, wantShell: []Grades{grades(noon, tp, 1)}},
		"an alert that came late": {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {late(graded("a", noon, tp, "alice")), []string{"shell", "miner"}}}, wantShell: []Grades{grades(noon, tp, 1)}},
		"but for the case itself": {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}, {graded("b", noon, tp, "bob"), []string{"shell"}}}, except: "a", wantShell: []Grades{grades(noon, tp, 1)}, regraded: true},
		"only the case itself":    {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}}, except: "a", regraded: true},
		"but for another":         {steps: []step{{graded("a", noon, tp, "alice"), []string{"shell"}}}, except: "c", wantShell: []Grades{grades(noon, tp, 1)}, regraded: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := fresh(t)
			regraded := false
			for _, s := range tt.steps {
				regraded = put(t, a, s.c, s.rules...)
			}
			if regraded != tt.regraded {
				t.Errorf("the last step says regraded=%t", regraded)
			}
			if diff := cmp.Diff(tt.wantShell, history(t, a, "soc", "shell", tt.except).Grades, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("shell (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantMiner, history(t, a, "soc", "miner", tt.except).Grades); diff != "" {
				t.Errorf("miner (-want +got):\n%s", diff)
			}
			if got := history(t, a, "other", "shell", ""); len(got.Grades) > 0 {
				t.Errorf("another tenant learns %v", got.Grades)
			}
		})
	}
}

func late(c Case) Case {
	c.Alerts++
	return c
}

func TestAgreement(t *testing.T) {
	a := fresh(t)
	say := func(name string, analyst, human v1alpha1.Verdict) {
		c := graded(name, noon, human, "alice")
		c.Analyst = analyst
		put(t, a, c, "shell")
	}
	say("a", v1alpha1.TruePositive, v1alpha1.TruePositive)
	say("b", v1alpha1.TruePositive, v1alpha1.BenignPositive)
	say("c", v1alpha1.Undetermined, v1alpha1.BenignPositive)
	say("c", v1alpha1.TruePositive, v1alpha1.BenignPositive) // the analyst thought again
	say("a", v1alpha1.TruePositive, v1alpha1.FalsePositive)  // the human did
	got, err := a.Agreement(t.Context())
	must(t, err)
	want := []Agreement{
		{v1alpha1.TruePositive, v1alpha1.BenignPositive, 2}, {v1alpha1.TruePositive, v1alpha1.FalsePositive, 1},
		{v1alpha1.TruePositive, v1alpha1.TruePositive, 0}, {v1alpha1.Undetermined, v1alpha1.BenignPositive, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCase(t *testing.T) {
	a := fresh(t)
	want := graded("a", noon, v1alpha1.TruePositive, "alice")
	put(t, a, graded("a", noon, "", ""), "shell")
	want.Closed = noon.Add(time.Minute)
	put(t, a, want, "shell")
	got, err := a.Case(t.Context(), "soc", "a")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := a.Case(t.Context(), "other", "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another tenant: %v, want %v", err, ErrNotFound)
	}
}
