package main

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// graded reads the grade of the case; nil if it has none.
func (w *world) graded(t *testing.T) *v1alpha1.Grade {
	t.Helper()
	c := &v1alpha1.Investigation{}
	must(t, w.Client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "shop-7f3a"}, c))
	return c.Spec.Grade
}

func TestGrade(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	a := w.run(t, "alice", "grade", "shop-7f3a", "--verdict", "BenignPositive", "--yes", "--reason", "a drill")
	must(t, a.err)
	contains(t, "output", a.out, "^P1  TruePositive 99.9 %  shop-7f3a  a stolen token\nthe analyst concluded TruePositive: a probability of 99.9 % that it is an attack\n",
		`prior: by severity .*\+0.5\n`, `E1 .*\+30.0\n`, "\ninvestigation/shop-7f3a graded: alice says BenignPositive, the analyst said TruePositive\n$")
	want := &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: "alice", Reason: "a drill"}
	if diff := cmp.Diff(want, w.graded(t)); diff != "" {
		t.Errorf("grade (-want +got):\n%s", diff)
	}

	// Somebody else may see it otherwise, at a terminal.
	again := w.typing(t, "bob", []string{"y", "no drill was planned"}, "grade", "shop-7f3a", "--verdict", "TruePositive")
	must(t, again.err)
	contains(t, "output", again.out, "graded BenignPositive by alice: a drill\n", `Grade shop-7f3a TruePositive, as bob\? \[y/N\] Why\?`)
	want = &v1alpha1.Grade{Verdict: v1alpha1.TruePositive, By: "bob", Reason: "no drill was planned"}
	if diff := cmp.Diff(want, w.graded(t)); diff != "" {
		t.Errorf("grade (-want +got):\n%s", diff)
	}
}

// What is printed for programs is the object alone.
func TestGradePrintsTheObject(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	for format, decode := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": func(b []byte, o any) error { return yaml.UnmarshalStrict(b, o) }} {
		a := w.run(t, "alice", "grade", "shop-7f3a", "--verdict", "FalsePositive", "--yes", "--reason", format, "-o", format)
		must(t, a.err)
		var got v1alpha1.Investigation
		must(t, decode([]byte(a.out), &got))
		if got.Kind != "Investigation" || got.Spec.Grade == nil || got.Spec.Grade.Reason != format {
			t.Errorf("%s: %s with grade %+v", format, got.Kind, got.Spec.Grade)
		}
		contains(t, "beside it", a.errOut, "the analyst concluded TruePositive", "graded: alice says FalsePositive")
	}
}

// Nothing of these may leave a grade behind.
func TestRefusedGrades(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	begun := &v1alpha1.Investigation{}
	begun.Namespace, begun.Name = w.namespace, "new-0001"
	must(t, w.operator.Create(t.Context(), begun))
	yes := []string{"--yes", "--reason", "r"}
	right := append([]string{"--verdict", "TruePositive"}, yes...)
	tests := map[string]struct {
		user  string
		typed []string
		args  []string
		want  string
	}{
		"no such case":          {"alice", nil, append([]string{"shop-7f3"}, right...), "there is no case shop-7f3 in namespace .*; did you mean shop-7f3a?"},
		"no verdict yet":        {"alice", nil, append([]string{"new-0001"}, right...), "new-0001 has no verdict yet, .*: kubectl soc case -n tenant-\\w+ new-0001"},
		"a misspelt verdict":    {"alice", nil, append([]string{"shop-7f3a", "--verdict", "truepositive"}, yes...), `--verdict: must be TruePositive, BenignPositive, FalsePositive or Undetermined, not "truepositive"`},
		"no verdict":            {"alice", nil, append([]string{"shop-7f3a"}, yes...), "--verdict is needed: TruePositive, BenignPositive, FalsePositive or Undetermined"},
		"an empty reason":       {"alice", nil, []string{"shop-7f3a", "--verdict", "TruePositive", "--yes", "--reason", ""}, `--yes needs --reason "why"`},
		"a blank reason":        {"alice", []string{"y"}, []string{"shop-7f3a", "--verdict", "TruePositive", "--reason", " "}, "--reason: must not be blank"},
		"no reason":             {"alice", []string{"y", ""}, []string{"shop-7f3a", "--verdict", "TruePositive"}, "nothing was done: a reason is needed"},
		"no":                    {"alice", []string{"n"}, []string{"shop-7f3a", "--verdict", "TruePositive"}, "nothing was done"},
		"no terminal":           {"alice", nil, []string{"shop-7f3a", "--verdict", "TruePositive"}, "there is no terminal to ask on"},
		"no case":               {"alice", nil, right, "grade takes the name of one case"},
		"an unknown format":     {"alice", nil, append([]string{"shop-7f3a", "-o", "wide"}, right...), `--output: must be json or yaml, not "wide"`},
		"no right":              {"vera", nil, append([]string{"shop-7f3a"}, right...), `the API server refused the grade: .*User "vera" cannot patch resource "investigations"`},
		"no right to see cases": {"mallory", nil, append([]string{"shop-7f3a"}, right...), `User "mallory" cannot get resource "investigations"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.typing(t, tc.user, tc.typed, append([]string{"grade"}, tc.args...)...)
			contains(t, "error", failure(t, a), tc.want)
			if got := w.graded(t); got != nil {
				t.Errorf("it was graded: %+v", got)
			}
		})
	}
}

// Nobody grades what they did not see; what the operator writes beside it does not matter.
func TestGradeOfACaseThatChanges(t *testing.T) {
	tests := map[string]struct {
		change  func(*v1alpha1.Investigation)
		wantErr string
	}{
		"another condition": {change: func(c *v1alpha1.Investigation) { c.Status.PendingApprovals = 1 }},
		"another alert":     {change: func(c *v1alpha1.Investigation) { c.Status.AlertCount++ }, wantErr: "shop-7f3a changed while you looked at it, so nothing was done: look again"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			seen := w.attack(t, "a stolen token")
			now := seen.DeepCopy()
			tt.change(now)
			must(t, w.operator.Status().Update(t.Context(), now))
			s := &session{WithWatch: w.clientOf(t, "alice"), namespace: w.namespace}
			err := s.grade(context.Background(), seen, v1alpha1.Grade{Verdict: v1alpha1.TruePositive, By: "alice", Reason: "r"})
			if tt.wantErr == "" {
				must(t, err)
			}
			if tt.wantErr != "" && (err == nil || err.Error() != tt.wantErr) {
				t.Errorf("error %v, want %s", err, tt.wantErr)
			}
			if got := w.graded(t); (got == nil) != (tt.wantErr != "") {
				t.Errorf("grade %+v", got)
			}
		})
	}
}

func (w *world) clientOf(t *testing.T, user string) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(w.As(t, user), client.Options{Scheme: w.Scheme})
	must(t, err)
	return c
}
