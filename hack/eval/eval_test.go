package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/external"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/hack/eval/trial"
)

func outcome(verdict v1alpha1.Verdict, probability float64, closed bool, missing ...string) trial.Outcome {
	status := v1alpha1.InvestigationStatus{Verdict: verdict, Score: ptr.To[int32](0), Questions: make([]v1alpha1.QuestionStatus, 3)}
	return trial.Outcome{
		Cases: []trial.Case{{Status: status, Took: 20 * time.Millisecond}}, Verdict: verdict, Probability: probability, Closed: closed, Missing: missing,
	}
}

// TestCount: each figure counts what its name says.
func TestCount(t *testing.T) {
	attack := scenario.Scenario{Name: "bad", Expect: scenario.Expect{Verdict: v1alpha1.TruePositive, Facts: []string{"a", "b"}}}
	benign := scenario.Scenario{Name: "good", Expect: scenario.Expect{Verdict: v1alpha1.BenignPositive}}
	tests := map[string]struct {
		s    scenario.Scenario
		o    trial.Outcome
		want map[string]float64
		note string
	}{
		"an attack is found":     {attack, outcome(v1alpha1.TruePositive, 1, false), map[string]float64{"attacks": 1, "attacks_found": 1, "facts": 2, "facts_found": 2}, ""},
		"a fact is missing":      {attack, outcome(v1alpha1.TruePositive, 1, false, "/a/"), map[string]float64{"attacks": 1, "attacks_found": 1, "facts": 2, "facts_found": 1}, "untold"},
		"an attack is unsure":    {attack, outcome(v1alpha1.Undetermined, 0.5, false), map[string]float64{"attacks": 1, "escalated": 1, "brier": 0.25, "facts": 2, "facts_found": 2}, "unsure"},
		"an attack is closed":    {attack, outcome(v1alpha1.BenignPositive, 0, true), map[string]float64{"attacks": 1, "attacks_closed_benign": 1, "brier": 1, "facts": 2, "facts_found": 2}, "CLOSED"},
		"benign closes":          {benign, outcome(v1alpha1.BenignPositive, 0, true), map[string]float64{"benign": 1, "benign_auto_closed": 1}, ""},
		"benign stays open":      {benign, outcome(v1alpha1.BenignPositive, 0, false), map[string]float64{"benign": 1, "escalated": 1}, "alarm"},
		"benign is found guilty": {benign, outcome(v1alpha1.TruePositive, 1, false), map[string]float64{"benign": 1, "brier": 1}, "alarm"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tally := &tally{}
			tally.count(&tt.s, tt.o)
			got := tally.figures()
			for _, same := range []string{"p50_ms", "p99_ms"} {
				if got[same] != 20 {
					t.Errorf("%s: %v", same, got[same])
				}
				delete(got, same)
			}
			tt.want["questions_p50"] = 3
			for k, v := range got {
				if v == 0 {
					delete(got, k)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if note := strings.Join(tally.notes, "\n"); !strings.HasPrefix(note, tt.note) || (note == "") != (tt.note == "") {
				t.Errorf("note %q, want %q", note, tt.note)
			}
		})
	}
}

func TestNoAlert(t *testing.T) {
	unseen := &tally{}
	unseen.count(&scenario.Scenario{Expect: scenario.Expect{Verdict: v1alpha1.TruePositive}}, trial.Outcome{Closed: true})
	if unseen.closedBenign != 1 || unseen.undetected != 1 || unseen.failed() == nil {
		t.Errorf("an attack without an alert: %+v", unseen)
	}
}

func TestFailed(t *testing.T) {
	tests := map[string]struct {
		t    tally
		want string
	}{
		"all is well": {tally{attacks: 1, benign: 1, escalated: 2}, ""},
		"closed":      {tally{closedBenign: 2}, "2 attacks closed as benign or unseen"},
		"flipped":     {tally{flips: 3}, "3 verdicts changed by hostile text"},
		"not played":  {tally{unplayed: []error{errors.New("scenario x: cluster[0]")}}, "1 could not be played: scenario x: cluster[0]"},
		"several":     {tally{closedBenign: 1, flips: 1}, "1 attacks closed as benign or unseen\n1 verdicts changed by hostile text"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := tt.t.failed(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestRunRefuses: what the environment asks for is checked before anything is started.
func TestRunRefuses(t *testing.T) {
	empty, broken := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "a.yaml"), []byte("name: x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		dir, variable, value, want string
	}{
		"another folder":      {"..", "", "", "run it from the root"},
		"no such scenarios":   {"../..", "SCENARIOS", "none", "SCENARIOS: expected a folder: none"},
		"no scenarios":        {"../..", "SCENARIOS", empty, "holds no .yaml file"},
		"a broken scenario":   {"../..", "SCENARIOS", broken, "document 1: scenario x: (root): missing properties"},
		"data is a file":      {"../..", "DATA", "go.mod", "DATA: expected a folder: go.mod"},
		"nowhere to write to": {"../..", "OUT", "none/x.json", "OUT: expected a folder: none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(tt.dir)
			if tt.variable != "" {
				t.Setenv(tt.variable, tt.value)
			}
			if err := run(context.Background()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestExternal(t *testing.T) {
	s := external.Score{
		Falco: &external.Report{
			Cases: 2, Agree: 1, Disagree: []external.Outcome{{Case: "c", Want: []string{"r"}}, {Case: "q", Unwanted: []string{"r"}, Got: []string{"r"}}},
			OnPurpose: []external.Outcome{{Case: "d", Got: []string{"s"}, Why: "so it is"}, {Case: "e", Why: "so it is"}},
		},
		Coverage: &external.Coverage{Rules: 3, Neither: []string{"okta: R"}},
		Parsed:   map[string]external.Parsed{"tetragon": {Bodies: 4, Alerts: 3, Failures: []string{"body 1: no"}}},
	}
	figures := map[string]float64{}
	addExternal(figures, s)
	want := map[string]float64{
		"external_falco_cases": 2, "external_falco_agree": 1, "external_falco_on_purpose": 2, "external_falco_rules": 3, "external_falco_rules_covered": 2,
		"external_tetragon_bodies": 4, "external_tetragon_alerts": 3, "external_tetragon_failures": 1,
	}
	if diff := cmp.Diff(want, figures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var out bytes.Buffer
	printExternal(&out, s)
	for _, line := range []string{
		"1 of 2", "  NOT MEANT  c: got nothing, want r\n  NOT MEANT  q: got r, want none of r\n", "  on purpose, so it is:\n    - d: got s\n    - e: got nothing\n",
		"4 bodies gave 3 alerts and 1 failures\n    - body 1: no\n", "Universal questions only: okta: R\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, &out)
		}
	}
}
