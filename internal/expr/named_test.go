package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// named declares alert and answers, and parts that use parts.
func named(t *testing.T, parts ...[2]string) *Env {
	t.Helper()
	env := MustEnv("alert", "answers")
	for _, part := range parts {
		p, err := env.Compile(part[1])
		if err != nil {
			t.Fatal(err)
		}
		if env, err = env.With("variables."+part[0], p); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

func TestNamed(t *testing.T) {
	env := named(t,
		[2]string{"known", "has(answers.habit) && answers.habit.usual"},
		[2]string{"program", `alert.actor.startsWith("system:serviceaccount:")`},
		[2]string{"knownProgram", "variables.known && variables.program"},
		[2]string{"hours", "answers.habit.hours"},
	)
	tests := map[string]struct {
		source                    string
		wantNamed, alert, answers []string
		want                      bool
	}{
		"one":                  {"variables.known", []string{"variables.known"}, nil, []string{"habit", "habit.usual"}, true},
		"none":                 {`alert.actor == "x"`, nil, []string{"actor"}, nil, false},
		"denied":               {"!variables.known || 1 > 2", []string{"variables.known"}, nil, []string{"habit", "habit.usual"}, false},
		"of others":            {"variables.knownProgram", []string{"variables.knownProgram"}, []string{"actor"}, []string{"habit", "habit.usual"}, true},
		"twice":                {"variables.hours > 2 && variables.hours < 9", []string{"variables.hours"}, nil, []string{"habit.hours"}, true},
		"two beside the plain": {`variables.known && variables.program && alert.verb == "get"`, []string{"variables.known", "variables.program"}, []string{"actor", "verb"}, []string{"habit", "habit.usual"}, true},
		"beside a like name":   {"[1].exists(variables_hours, variables_hours == 1 && variables.hours > 2 && variables.hours < 9)", []string{"variables.hours"}, nil, []string{"habit.hours"}, true},
		"in a loop":            {"[1, 20].exists(n, variables.hours < n)", []string{"variables.hours"}, nil, []string{"habit.hours"}, true},
	}
	vars := map[string]any{
		"alert":   map[string]any{"actor": "system:serviceaccount:a:b", "verb": "get"},
		"answers": map[string]any{"habit": map[string]any{"usual": true, "hours": 7.0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Condition(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.True(vars)
			if err != nil || got != tt.want {
				t.Errorf("is %v (%v), want %v", got, err, tt.want)
			}
			for what, diff := range map[string]string{
				"named": cmp.Diff(tt.wantNamed, p.Named()), "alert": cmp.Diff(tt.alert, p.Reads("alert")), "answers": cmp.Diff(tt.answers, p.Reads("answers")),
			} {
				if diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

func TestNamedErrors(t *testing.T) {
	env := named(t, [2]string{"text", "alert.rule"}, [2]string{"number", "1 + 1"})
	tests := map[string]struct{ source, want string }{
		"unknown":             {"variables.other", "undeclared reference"},
		"of another type":     {`variables.number == "x"`, "no matching overload"},
		"no condition":        {"variables.number", "must be a condition (bool), not int"},
		"hidden by a loop":    {"[1].exists(alert, variables.text == 'x')", "a loop's variable is called alert"},
		"repeated by another": {"'x'.replace('x', variables.text) == 'y'", "must be written out"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := env.Condition(tt.source); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Names that use all names before them would double with every line.
func TestNamedBomb(t *testing.T) {
	env := MustEnv("alert")
	sum := "alert.rule"
	for i := range 40 {
		p, err := env.Compile(sum)
		if err != nil {
			if want := "written out it has"; !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q in it", err, want)
			}
			return
		}
		name := fmt.Sprintf("variables.v%d", i)
		if env, err = env.With(name, p); err != nil {
			t.Fatal(err)
		}
		sum += " + " + name
	}
	t.Error("no limit to what is written out")
}
