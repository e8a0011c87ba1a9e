package expr

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReads(t *testing.T) {
	env := MustEnv("answer", "alert")
	tests := map[string]struct {
		source string
		want   []string
	}{
		"a field":                        {`answer.owner.name == "web"`, []string{"owner.name"}},
		"a method is no field":           {`answer.owner.name.startsWith("web")`, []string{"owner.name"}},
		"an index by literal":            {`answer["labels"]["app"] == "web"`, []string{"labels.app"}},
		"an optional field":              {`answer.?labels.?app.orValue("") == "web"`, []string{"labels.app"}},
		"an optional index":              {`answer[?"labels"].orValue("") == "web"`, []string{"labels"}},
		"has":                            {`has(answer.labels.approved)`, []string{"labels.approved"}},
		"a computed key":                 {`answer[alert.rule] == 1`, []string{""}},
		"a computed key below":           {`answer.labels[alert.rule] == "x"`, []string{"labels"}},
		"used whole":                     {`answer == alert`, []string{""}},
		"passed on in a list":            {`[answer].exists(a, a.labels.x == "y")`, []string{""}},
		"passed on in a map":             {`{"x": answer}.x.labels.y == "z"`, []string{""}},
		"a list's elements":              {`answer.images.exists(i, i == "x")`, []string{"images"}},
		"in":                             {`"x" in answer.labels`, []string{"labels"}},
		"chosen by a condition":          {`(true ? answer : alert).labels.x == "y"`, []string{""}},
		"a leading dot":                  {`.answer.labels.x == "y"`, []string{"labels.x"}},
		"a variable of a loop":           {`[1].exists(answer, answer == 1)`, []string{""}},
		"twice":                          {`answer.a == 1 || answer.a == 2 || answer.b == 3`, []string{"a", "b"}},
		"another variable":               {`alert.rule == "answer.x"`, nil},
		"in a template's nested call":    {`string(answer.count + 1)`, []string{"count"}},
		"both sides of an index":         {`answer.a[answer.b] == 1`, []string{"a", "b"}},
		"a number as index of the whole": {`answer[0] == 1`, []string{""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Compile(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.Reads("answer")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditionErrors(t *testing.T) {
	env := MustEnv("x")
	tests := map[string]struct{ source, want string }{
		"not CEL":          {"x ==", "CEL does not compile"},
		"unknown variable": {"y == 1", "undeclared reference"},
		"not a condition":  {`"text"`, "must be a condition (bool), not string"},
		"unknown function": {"x.exec()", "undeclared reference"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := env.Condition(tt.source)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestValue(t *testing.T) {
	env := MustEnv("x")
	tests := map[string]struct {
		source string
		want   any
	}{
		"string":           {`x.name`, "web"},
		"number":           {`x.count + 1`, 4.0},
		"number of JSON":   {`x.share > 1 && x.share == 1.5`, true},
		"list":             {`x.list.map(i, i + "!")`, []any{"a!", "b!"}},
		"map":              {`{"a": x.count}`, map[string]any{"a": 3.0}},
		"null":             {`x.name == "web" ? null : x.name`, nil},
		"optional, absent": {`x.?nothing`, nil},
		"optional":         {`x.?name`, "web"},
		"time":             {`timestamp("2026-03-01T09:00:00.5Z") - duration("1h")`, "2026-03-01T08:00:00.5Z"},
	}
	vars := map[string]any{"x": map[string]any{"name": "web", "count": int64(3), "share": 1.5, "list": []any{"a", "b"}}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Compile(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Value(vars)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplate(t *testing.T) {
	env := MustEnv("x")
	vars := map[string]any{"x": map[string]any{"name": "web", "count": int64(3), "ok": true, "list": []any{"a"}, "big": 1e21}}
	tests := map[string]struct {
		source string
		want   any
	}{
		"no part":                    {"plain $ {text}", "plain $ {text}"},
		"one part keeps its type":    {"${x.count}", 3.0},
		"a list keeps its type":      {"${x.list}", []any{"a"}},
		"text around":                {"pod ${x.name}!", "pod web!"},
		"two parts":                  {"${x.name}/${x.count}", "web/3"},
		"a brace in a string":        {`${"}" + x.name}`, "}web"},
		"an escaped quote":           {`${"\"}" + x.name}`, `"}web`},
		"a map":                      {`${{"a": x.name}.a}`, "web"},
		"a bool in text":             {"ok: ${x.ok}", "ok: true"},
		"null in text":               {"[${null}]", "[]"},
		"a dollar and brace as text": {"${'$' + '{x}'}", "${x}"},
		"a number too large for int": {"n=${x.big}", "n=1e+21"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			template, err := env.Template(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := template.Value(vars)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := env.Template("a ${x.name"); !errors.Is(err, ErrUnclosed) {
		t.Errorf("error %v, want ErrUnclosed", err)
	}
}

// TestBombs: an expression that grows without measure errs and takes no memory for it.
func TestBombs(t *testing.T) {
	env := MustEnv("x")
	tests := map[string]string{
		"nested loops":   `x.all(a, x.all(b, x.all(c, x.all(d, a != "b"))))`,
		"a long range":   `lists.range(200000000).size() > 0`,
		"replace itself": `x[0].replace("", x[0]).replace("", x[0]).replace("", x[0]).size() > 0`,
		"join and split": `x[0].split("").join(x[0]).split("").join(x[0]).size() > 0`,
	}
	many := make([]any, 300)
	for i := range many {
		many[i] = "text"
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Compile(source)
			if err != nil {
				return // not even offered
			}
			if _, err := p.True(map[string]any{"x": many}); err == nil {
				t.Error("it was evaluated")
			}
		})
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"${x}", "a ${x.y} b", "${'}'}", "${", "${}", `${"\`, "${r'\\'}", "$${x}", "${x}${x}", "${{}}"} {
		f.Add(seed)
	}
	env := MustEnv("x")
	vars := map[string]any{"x": map[string]any{"y": "z"}}
	f.Fuzz(func(t *testing.T, source string) {
		template, err := env.Template(source)
		if err != nil {
			return
		}
		if !strings.Contains(source, "${") {
			if text, err := template.Text(vars); err != nil || text != source {
				t.Errorf("plain text %q became %q (%v)", source, text, err)
			}
		}
		_, _ = template.Value(vars)
	})
}
