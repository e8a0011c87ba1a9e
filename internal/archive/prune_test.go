package archive

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestPrune(t *testing.T) {
	clock := &calendar{noon}
	a := open(t, t.TempDir(), clock)
	a.maxCases = 300
	must(t, a.PutAlerts(t.Context(), alert("a", "shell", noon), alert("b", "quiet", noon)))
	must(t, a.PutBlobs(t.Context(), []byte("old")))
	put(t, a, graded("a", noon, v1alpha1.TruePositive, "alice"), "shell")
	put(t, a, graded("b", noon, "", ""), "quiet")

	clock.at = noon.Add(31 * day)
	must(t, a.PutBlobs(t.Context(), []byte("new")))
	must(t, a.Prune(t.Context()))
	for body, want := range map[string]bool{"old": false, "new": true} {
		if _, err := a.Blob(t.Context(), sha(body)); (err == nil) != want {
			t.Errorf("%s: %v, want kept=%t", body, err, want)
		}
	}
	// The alert may still be in the API server, and is put again by each start.
	must(t, a.PutAlerts(t.Context(), alert("a", "shell", noon)))
	if got := history(t, a, "soc", "shell", ""); got.Fired != 1 || len(got.Grades) != 1 {
		t.Errorf("after a month: %+v, want the alert counted once and the grade kept", got)
	}

	clock.at = noon.Add(401 * day)
	must(t, a.Prune(t.Context()))
	if got := history(t, a, "soc", "quiet", ""); got.Fired != 0 {
		t.Errorf("a rule that was quiet for more than a year: %+v", got)
	}
	if got := history(t, a, "soc", "shell", ""); got.Fired != 1 || len(got.Grades) != 1 {
		t.Errorf("a graded rule: %+v", got)
	}

	clock.at = noon.Add(901 * day)
	for n := range 700 {
		put(t, a, graded(fmt.Sprintf("many-%d", n), clock.at.Add(time.Duration(n)*time.Second), "", ""), "shell")
	}
	must(t, a.Prune(t.Context()))
	if got := history(t, a, "soc", "shell", ""); !cmp.Equal(got, RuleHistory{}) {
		t.Errorf("a rule whose last grade is forgotten: %+v", got)
	}
	for name, want := range map[string]bool{"a": false, "b": false, "many-399": false, "many-400": true, "many-699": true} {
		if _, err := a.Case(t.Context(), "soc", name); (err == nil) != want {
			t.Errorf("case %s: %v, want kept=%t", name, err, want)
		}
	}
	if put(t, a, graded("a", noon, v1alpha1.TruePositive, "alice"), "shell") {
		t.Error("a case that is too old was graded again")
	}
}
