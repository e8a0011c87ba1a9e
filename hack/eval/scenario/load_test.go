package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const good = `
name: good
about: A good one.
events: [{audit: {verb: get, user: alice}}]
expect: {verdict: TruePositive}
`

func TestLoad(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  []string
		wrong []string
	}{
		"every file and folder, by name": {
			files: map[string]string{"b/x.yml": "---\n" + good, "a.yaml": strings.Replace(good, "good", "also-good", 1), "README.md": "no scenario"},
			want:  []string{"also-good", "good"},
		},
		"nothing":          {files: map[string]string{"a.yaml": "# later\n---\n"}},
		"not YAML":         {files: map[string]string{"a.yaml": good + "---\nname: [\n"}, wrong: []string{"a.yaml", "document 2", "yaml"}},
		"a key twice":      {files: map[string]string{"a.yaml": good + "name: again\n"}, wrong: []string{"document 1", `key "name" already set`}},
		"not an object":    {files: map[string]string{"a.yaml": "[]"}, wrong: []string{"document 1", "(root)"}},
		"several files":    {files: map[string]string{"a.yaml": "{}", "b.yaml": "{}"}, wrong: []string{"a.yaml", "b.yaml"}},
		"two names":        {files: map[string]string{"a.yaml": good + "---" + good}, wrong: []string{"name", `two scenarios are named "good"`}},
		"no such twin":     {files: map[string]string{"a.yaml": good + "twin: bad\n"}, wrong: []string{"scenario good: twin", `no scenario "bad"`}},
		"what is left out": {files: map[string]string{"a.yaml": "name: x\nevents: [{}]\n"}, wrong: []string{"scenario x", "about", "expect", "events[0]"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			all, err := Load(dir)
			mentions(t, err, tt.wrong)
			var got []string
			for _, s := range all {
				got = append(got, s.Name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" && err == nil {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "gone")); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

// TestWrongFields: the error names the document, the scenario and the field.
func TestWrongFields(t *testing.T) {
	tests := map[string]struct {
		change, to string
		wrong      []string
	}{
		"name":                           {"name: good", "name: Good One", []string{"name: ", "pattern"}},
		"unknown":                        {"about:", "abuot:", []string{"about", "abuot"}},
		"verdict":                        {"TruePositive", "Undetermined", []string{"expect.verdict", "'TruePositive', 'BenignPositive', 'FalsePositive'"}},
		"an event of both":               {"{audit:", "{falco: {rule: R}, audit:", []string{"events[0]", "oneOf"}},
		"an event without user":          {", user: alice", "", []string{"events[0].audit", "user"}},
		"output_fields":                  {"audit: {verb: get, user: alice}", "falco: {rule: R, output_fields: []}", []string{"events[0].falco.output_fields", "want object"}},
		"no unit":                        {"{audit:", "{after: 5, audit:", []string{"events[0].after", "want string"}},
		"a negative time":                {"{audit:", "{after: -5s, audit:", []string{"events[0].after", "pattern"}},
		"too long a time":                {"{audit:", "{after: 999999h999999h999999h, audit:", []string{"events[0].after", "maxLength"}},
		"ends too late":                  {"{audit:", "{after: 999999h, audit:", []string{"events[0]: it ends more than 720h0m0s after the start"}},
		"repeats too long":               {"{audit:", "{times: 10000, every: 1h, audit:", []string{"events[0]: it ends more than 720h0m0s"}},
		"repeats at once":                {"{audit:", "{times: 2, audit:", []string{"events[0].every"}},
		"times":                          {"{audit:", "{times: 0, audit:", []string{"events[0].times"}},
		"history at no pace":             {"events:", "history: [{every: 0s, for: 1h, falco: {rule: R}}]\nevents:", []string{"history[0].every: expected more than nothing"}},
		"too much history":               {"events:", "history: [{every: 1ms, for: 1h, falco: {rule: R}}]\nevents:", []string{"history[0]: it comes 3600000 times, expected at most 50000"}},
		"an object's kind":               {"events:", "cluster: [{apiVersion: v1, metadata: {name: x}}]\nevents:", []string{"cluster[0]", "kind"}},
		"an object's name":               {"events:", "cluster: [{apiVersion: v1, kind: Pod, metadata: {}}]\nevents:", []string{"cluster[0].metadata", "name"}},
		"analyst":                        {"events:", "analyst: {thresholds: {attack: many}}\nevents:", []string{"analyst"}},
		"an analyst's field":             {"events:", "analyst: {mood: good}\nevents:", []string{`analyst: json: unknown field "mood"`}},
		"grades":                         {"events:", "grades: [{rule: R, truePositives: -1}]\nevents:", []string{"grades[0].truePositives"}},
		"a fact":                         {"TruePositive}", "TruePositive, facts: [ok, 'a(']}", []string{"expect.facts[1]", "missing closing )"}},
		"an entity":                      {"TruePositive}", "TruePositive, entities: [web]}", []string{"expect.entities[0]", "pattern"}},
		"a short name of the attacker's": {"events:", "attackerNames: [a]\nevents:", []string{"attackerNames[0]", "minLength"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(good, tt.change) {
				t.Fatalf("%q is not in the good one", tt.change)
			}
			_, err := Parse([]byte(good + "---\n" + strings.Replace(good, tt.change, tt.to, 1)))
			mentions(t, err, append(tt.wrong, "document 2"))
			if name != "name" {
				mentions(t, err, []string{"scenario good"})
			}
		})
	}
}

func mentions(t *testing.T, err error, wrong []string) {
	t.Helper()
	if len(wrong) == 0 && err != nil {
		t.Fatal(err)
	}
	for _, part := range wrong {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
}

// FuzzParse: whatever parses can be played, in each of its variants.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("name: a\nabout: b\nhistory: [{every: 1m, for: 1h, falco: {rule: R}}]\nevents: [{times: 3, every: 1s, falco: {rule: R, output_fields: {a: 1}}}]\n" +
		"cluster: [{apiVersion: v1, kind: Pod, metadata: {name: abc, annotations: 3}, spec: {template: 1, containers: [1, {env: 2}]}}]\nattackerNames: [abc]\nexpect: {verdict: TruePositive, facts: [a]}"))
	f.Add([]byte("- a\n---\n&x {*x : 1}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := Parse(raw)
		if err != nil {
			return
		}
		for _, s := range all {
			if s.Length() < 0 {
				t.Errorf("it lasts %v", s.Length())
			}
			for i := range Variants {
				v, err := s.Hostile(i)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range v.Events {
					if _, _, err := o.Body("id", time.Unix(0, 0)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}
