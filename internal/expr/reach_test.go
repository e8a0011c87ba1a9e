package expr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConstant(t *testing.T) {
	env := MustEnv("x", "y")
	tests := map[string]struct {
		source   string
		want     any
		constant bool
	}{
		"written out":                {`true`, true, true},
		"computed":                   {`1 == 2`, false, true},
		"a text":                     {`"a" + "b"`, "ab", true},
		"false whatever x is":        {`false && x.a`, false, true},
		"true whatever x is":         {`x.a == 1 || true`, true, true},
		"hidden in parentheses":      {`(x.a || 2 > 1) && (y.b || 1 == 1)`, true, true},
		"a choice between the same":  {`x.a ? true : x.b`, nil, false},
		"depends on x":               {`x.a == 1`, nil, false},
		"depends on both":            {`x.a && y.a`, nil, false},
		"has":                        {`has(x.a)`, nil, false},
		"an empty loop":              {`[].exists(i, i == x.a)`, false, true},
		"a loop":                     {`x.list.exists(i, i == 1)`, nil, false},
		"an error":                   {`1 / 0 == 1`, nil, false},
		"longer than anybody waits":  {strings.Repeat("[1,2,3,4,5,6,7,8].all(a, ", 12) + "true" + strings.Repeat(")", 12), nil, false},
		"an error beside what holds": {`1 / 0 == 1 || true`, true, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Compile(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			got, constant := p.Constant()
			if got != tt.want || constant != tt.constant {
				t.Errorf("%v, %v, want %v, %v", got, constant, tt.want, tt.constant)
			}
		})
	}
}

func TestContradictionAndNever(t *testing.T) {
	env := MustEnv("x", "verdict")
	domains := Domains{"x.severity": {"Low", "High"}, "verdict": {"Benign", "Attack"}}
	tests := map[string]struct {
		source        string
		contradiction string
		never         []string
	}{
		"may hold":                      {`x.severity == "Low" && verdict == "Attack"`, "", nil},
		"no bounds":                     {`x.name == "anything" && x.count == 2`, "", nil},
		"another value":                 {`x.severity == "low"`, `x.severity is compared with "low", but is one of ["Low" "High"]`, []string{`x.severity is compared with "low", but is one of ["Low" "High"]`}},
		"the other way round":           {`"low" == x.severity`, `x.severity is compared with "low"`, []string{`x.severity is compared with "low", but is one of ["Low" "High"]`}},
		"by index":                      {`x["severity"] == "low"`, `x.severity is compared with "low"`, []string{`x.severity is compared with "low", but is one of ["Low" "High"]`}},
		"two values":                    {`x.severity == "Low" && x.name == "a" && x.severity == "High"`, `x.severity is compared with "High", but is one of ["Low"]`, nil},
		"two values of anything":        {`x.name == "a" && x.name == "b"`, `x.name is compared with "b", but is one of ["a"]`, nil},
		"lists that do not meet":        {`x.name in ["a", "b"] && x.name in ["c"]`, `x.name is compared with "c", but is one of ["a" "b"]`, nil},
		"lists that meet":               {`x.name in ["a", "b"] && x.name in ["b", "c"]`, "", nil},
		"an empty list":                 {`x.name in []`, `x.name is compared with [], but is one of []`, nil},
		"one alternative":               {`x.severity == "low" || verdict == "Attack"`, "", []string{`x.severity is compared with "low", but is one of ["Low" "High"]`}},
		"no alternative":                {`(x.severity == "low" || verdict == "attack") && x.a`, "verdict is compared with", []string{`verdict is compared with "attack", but is one of ["Benign" "Attack"]`, `x.severity is compared with "low", but is one of ["Low" "High"]`}},
		"alternatives against the rest": {`x.name == "a" && (x.name == "b" || x.name == "c")`, `x.name is compared with "b", but is one of ["a"]; x.name is compared with "c", but is one of ["a"]`, nil},
		"not":                           {`!(x.severity == "Low") && x.severity == "High"`, "", nil},
		"has is no value":               {`has(x.severity) && x.severity == "Low"`, "", nil},
		"a number":                      {`x.severity == 1`, "", nil},
		"a variable":                    {`x.severity == x.name`, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Compile(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Contradiction(domains); (got == "") != (tt.contradiction == "") || !strings.Contains(got, tt.contradiction) {
				t.Errorf("contradiction %q, want %q", got, tt.contradiction)
			}
			if diff := cmp.Diff(tt.never, p.Never(domains)); diff != "" {
				t.Errorf("never (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Domains{"x.severity": {"Low", "High"}, "verdict": {"Benign", "Attack"}}, domains); diff != "" {
				t.Errorf("the domains were changed:\n%s", diff)
			}
		})
	}
}

func TestImplies(t *testing.T) {
	env := MustEnv("x")
	tests := map[string]struct {
		source, other string
		want          bool
	}{
		"the same":                {`x.a == 1`, `x.a == 1`, true},
		"written in another way":  {`x.a==1   &&  x.b`, "x.b && x.a == 1", true},
		"a part":                  {`x.a == 1 && x.b && x.c.exists(i, i == 2)`, `x.c.exists(i, i == 2)`, true},
		"more than it says":       {`x.a == 1`, `x.a == 1 && x.b`, false},
		"something else":          {`x.a == 1`, `x.a == 2`, false},
		"one of two alternatives": {`x.a || x.b`, `x.a`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := env.Compile(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			other, err := env.Compile(tt.other)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Implies(other); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzReach looks at whatever compiles: no panic, and what is found to be impossible is not constantly true.
func FuzzReach(f *testing.F) {
	f.Add(`x.severity == "low" || x.name in ["a"] && x["b"].exists(i, i == x.c)`)
	f.Add(`{"a": x}.a[x] == 1 ? [x][0] : x.?y.orValue(2)`)
	env := MustEnv("x")
	domains := Domains{"x.severity": {"Low"}}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := env.Compile(source)
		if err != nil {
			return
		}
		value, constant := p.Constant()
		if why := p.Contradiction(domains); why != "" && constant && value == true {
			t.Errorf("%s: always true, and never: %s", source, why)
		}
		p.Never(domains)
		p.Implies(p)
	})
}
