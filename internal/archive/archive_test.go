package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// calendar is a clock that stands still until it is set.
type calendar struct{ at time.Time }

func (c *calendar) now() time.Time { return c.at }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, clock *calendar) *Archive {
	t.Helper()
	a, err := Open(t.Context(), dir, clock.now)
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	return a
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func fresh(t testing.TB) *Archive { return open(t, t.TempDir(), &calendar{noon}) }

func history(t testing.TB, a *Archive, namespace, rule, except string) RuleHistory {
	t.Helper()
	found, err := a.RuleHistory(t.Context(), namespace, rule, except)
	must(t, err)
	return found
}

func alert(name, rule string, at time.Time) Alert {
	return Alert{Namespace: "soc", Name: name, Rule: rule, FirstSeen: at}
}

// Whatever is put twice counts once, also after a restart; rules and tenants do not mix.
func TestAlertsCountOnce(t *testing.T) {
	dir := t.TempDir()
	clock := &calendar{noon}
	alerts := []Alert{
		alert("a", "shell", noon.Add(-time.Hour)), alert("b", "shell", noon), alert("c", "miner", noon.Add(-2*time.Hour)), alert("a", "shell", noon.Add(-time.Hour)),
	}
	other := Alert{Namespace: "other", Name: "a", Rule: "shell", FirstSeen: noon.Add(-3 * time.Hour)}
	for range 2 {
		a, err := Open(t.Context(), dir, clock.now)
		must(t, err)
		for range 2 {
			must(t, a.PutAlerts(t.Context(), alerts...))
			must(t, a.PutAlerts(t.Context(), other))
		}
		tests := map[string]struct {
			namespace, rule string
			want            RuleHistory
		}{
			"two alerts":           {"soc", "shell", RuleHistory{Fired: 2, LastFired: noon}},
			"another rule":         {"soc", "miner", RuleHistory{Fired: 1, LastFired: noon.Add(-2 * time.Hour)}},
			"another tenant":       {"other", "shell", RuleHistory{Fired: 1, LastFired: noon.Add(-3 * time.Hour)}},
			"a rule without alert": {"soc", "other", RuleHistory{}},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				if diff := cmp.Diff(tt.want, history(t, a, tt.namespace, tt.rule, "")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		must(t, a.Close())
	}
}

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

func TestBlobs(t *testing.T) {
	a := fresh(t)
	raw := []byte(`{"rule":"shell"}`)
	with := alert("a", "shell", noon)
	with.Raw = raw
	must(t, a.PutAlerts(t.Context(), with))
	must(t, a.PutBlobs(t.Context(), []byte("evidence"), raw, []byte{}))
	tests := map[string]struct {
		digest, want string
		wantErr      string
	}{
		"what is missing": {digest: sha("other"), wantErr: ErrNotFound.Error()},
		"evidence":        {digest: sha("evidence"), want: "evidence"},
		"a raw event":     {digest: sha(string(raw)), want: string(raw)},
		"nothing":         {digest: sha(""), want: ""},
		"what is no hex":  {digest: "xyz", wantErr: `"xyz": expected a SHA-256 of 64 hex digits`},
		"what is too few": {digest: "00ff", wantErr: "expected a SHA-256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := a.Blob(t.Context(), tt.digest)
			switch {
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("error %v, want %s", err, tt.wantErr)
			case tt.wantErr == "" && (err != nil || string(got) != tt.want):
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// When it is full, the oldest go, and what came again lately stays.
func TestBlobsAreBounded(t *testing.T) {
	clock := &calendar{noon}
	a := open(t, t.TempDir(), clock)
	a.maxBytes = 100 << 10
	body := func(n int) []byte { return fmt.Appendf(nil, "%01024d", n) }
	for n := range 90 {
		must(t, a.PutBlobs(t.Context(), body(n)))
	}
	clock.at = noon.Add(25 * time.Hour)
	must(t, a.PutBlobs(t.Context(), body(0)))
	for n := range 30 {
		must(t, a.PutBlobs(t.Context(), body(1000+n)))
	}
	for n, want := range map[int]bool{0: true, 1: false, 32: false, 89: true, 1000: true, 1029: true} {
		if _, err := a.Blob(t.Context(), sha(string(body(n)))); (err == nil) != want {
			t.Errorf("blob %d: %v, want kept=%t", n, err, want)
		}
	}
	var bytes, rows int64
	must(t, a.reading.QueryRow("SELECT bytes, (SELECT sum(length(body)) FROM blob) FROM kept").Scan(&bytes, &rows))
	if bytes != rows || bytes > a.maxBytes {
		t.Errorf("%d bytes are counted, %d are there, %d are allowed", bytes, rows, a.maxBytes)
	}
}

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

// Many write and read at a time; one that fails fails alone.
func TestConcurrentUse(t *testing.T) {
	a := fresh(t)
	wrong := errors.New("wrong")
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for n := range 50 {
				name := fmt.Sprintf("%d-%d", worker, n)
				if err := a.PutAlerts(t.Context(), alert(name, "shell", noon)); err != nil {
					t.Error(err)
				}
				if _, err := a.PutCase(t.Context(), graded(name, noon, v1alpha1.BenignPositive, "alice"), []string{"shell"}); err != nil {
					t.Error(err)
				}
				err := a.write(t.Context(), func(tx *transaction) error {
					if _, err := tx.rule("soc", "half-done"); err != nil {
						return err
					}
					return wrong
				})
				if !errors.Is(err, wrong) {
					t.Errorf("a write that fails: %v", err)
				}
				if _, err := a.RuleHistory(t.Context(), "soc", "shell", name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	want := RuleHistory{Fired: 400, LastFired: noon, Grades: []Grades{grades(noon, v1alpha1.BenignPositive, 400)}}
	if diff := cmp.Diff(want, history(t, a, "soc", "shell", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var rules int
	must(t, a.reading.QueryRow("SELECT count(*) FROM rule").Scan(&rules))
	if rules != 1 {
		t.Errorf("%d rules: what failed left something behind", rules)
	}
}

func TestClosed(t *testing.T) {
	a, err := Open(t.Context(), t.TempDir(), (&calendar{noon}).now)
	must(t, err)
	must(t, a.Close())
	if err := a.PutAlerts(t.Context(), alert("a", "shell", noon)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

func TestGivenUp(t *testing.T) {
	a := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.PutBlobs(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// What cannot be read is refused, and the refusal says what to do.
func TestOpenRefuses(t *testing.T) {
	sql := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			a, err := Open(t.Context(), filepath.Dir(file), (&calendar{noon}).now)
			must(t, err)
			must(t, a.write(t.Context(), func(tx *transaction) error {
				_, err := tx.w.conn.ExecContext(t.Context(), statement)
				return err
			}))
			must(t, a.Close())
		}
	}
	tests := map[string]struct {
		prepare func(*testing.T, string)
		want    []string
	}{
		"a newer schema":  {sql("PRAGMA user_version = 99"), []string{"a newer version of Tocsin wrote it: it has schema 99", "run that version or a later one"}},
		"another program": {sql("PRAGMA application_id = 7"), []string{"it is no archive of Tocsin", "move the file away"}},
		"nobody's tables": {sql("PRAGMA application_id = 0"), []string{"it is no archive of Tocsin"}},
		"what is no database": {func(t *testing.T, file string) {
			must(t, os.WriteFile(file, []byte(strings.Repeat("no database ", 999)), 0o600))
		}, []string{"it is damaged", "restore its folder from a snapshot"}},
		"a damaged page":        {damaged, []string{"it is damaged", "move its folder away while the operator is stopped"}},
		"a folder in its place": {func(t *testing.T, file string) { must(t, os.Mkdir(file, 0o700)) }, []string{"unable to open database file"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, fileName)
			tt.prepare(t, file)
			a, err := Open(t.Context(), dir, (&calendar{noon}).now)
			if err == nil {
				must(t, a.Close())
				t.Fatal("it was opened")
			}
			for _, want := range append(tt.want, file) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

// damaged overwrites the middle of an archive with many rules.
func damaged(t *testing.T, file string) {
	a, err := Open(t.Context(), filepath.Dir(file), (&calendar{noon}).now)
	must(t, err)
	for n := range 2000 {
		must(t, a.PutAlerts(t.Context(), alert(fmt.Sprint(n), fmt.Sprintf("rule %d", n), noon)))
	}
	must(t, a.Close())
	raw, err := os.ReadFile(file)
	must(t, err)
	for i := len(raw) / 4; i < len(raw)/2; i++ {
		raw[i] = 0xa5
	}
	must(t, os.WriteFile(file, raw, 0o600))
}

// A lost folder is a new archive.
func TestNewFolder(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "with space & 100%", "archive"), &calendar{noon})
	must(t, a.PutAlerts(t.Context(), alert("a", "shell", noon)))
}
