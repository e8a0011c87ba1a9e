package lint

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
)

// options with the connectors that are built in, on the first of March 2026.
func options() Options {
	return Options{
		Factories: connectors.Factories{v1alpha1.ConnectorKubernetes: kubernetes.Factory(&rest.Config{Host: "https://127.0.0.1:1"}, nil)},
		Memory:    func(namespace string) connectors.Asker { return memory.New(namespace, nil, nil, nil, nil) },
		Now:       time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}
}

var update = flag.Bool("update", false, "write what is found into testdata")

// found is a report as the command line prints it. with the rule.
func found(r Report) string {
	var text strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&text, "%s:%d: %s: [%s] %s: %s\n", f.File, f.Line, f.Level, f.Rule, f.Path, f.Message)
	}
	return text.String()
}

// split a text in which lines such as -- a.yaml -- begin a file.
func split(text string) []File {
	var all []File
	for line := range strings.Lines(text) {
		name, begins := strings.CutPrefix(line, "-- ")
		switch {
		case begins:
			all = append(all, File{Name: strings.TrimSuffix(strings.TrimSpace(name), " --")})
		case len(all) > 0:
			last := &all[len(all)-1]
			last.Data = append(last.Data, line...)
		}
	}
	return all
}

// findings begin what is found in the files above.
const findings = "== findings ==\n"

// TestLint: testdata has a text a case: its files, and what is found in them.
func TestLint(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := strings.Cut(string(raw), findings)
			got := found(Lint(t.Context(), split(text), options()))
			if *update {
				if err := os.WriteFile(file, []byte(text+findings+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// shipped are the manifests under config.
func shipped(t testing.TB) []File {
	t.Helper()
	var all []File
	err := filepath.WalkDir("../../config", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" || entry.Name() == "kustomization.yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, File{Name: filepath.ToSlash(path), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestShipped: there is nothing to say of what ships, and its tests pass.
func TestShipped(t *testing.T) {
	report := Lint(t.Context(), shipped(t), options())
	if got := found(report); got != "" {
		t.Error(got)
	}
	if report.Objects < 20 {
		t.Errorf("only %d objects were looked at", report.Objects)
	}
	tests := Test(t.Context(), shipped(t), options())
	for _, r := range tests.Results {
		if r.Failure != "" {
			t.Errorf("%s:%d: %s", r.File, r.Line, r.Failure)
		}
	}
	for _, r := range tests.Untested {
		t.Errorf("%s: %s %s has no tests", r.File, r.Kind, r.Name)
	}
}

// BenchmarkLint checks everything that ships; the operator's own tests are BenchmarkTest.
func BenchmarkLint(b *testing.B) {
	files := shipped(b)
	for b.Loop() {
		Lint(b.Context(), files, options())
	}
}

func BenchmarkTest(b *testing.B) {
	files := shipped(b)
	for b.Loop() {
		Test(b.Context(), files, options())
	}
}

// FuzzLint: whatever is in a file, it is read to its end, and every finding has a place in it.
func FuzzLint(f *testing.F) {
	for _, file := range shipped(f) {
		f.Add(file.Data)
	}
	cases, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range cases {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := strings.Count(string(data), "\n") + 1
		report := Lint(t.Context(), []File{{Name: "a.yaml", Data: data}}, options())
		for _, finding := range report.Findings {
			if finding.Line < 1 || finding.Line > lines || finding.Message == "" || finding.Rule == "" {
				t.Errorf("of %d lines: %+v", lines, finding)
			}
		}
		Test(t.Context(), []File{{Name: "a.yaml", Data: data}}, options())
	})
}
