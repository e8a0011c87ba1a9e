package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNames: whatever the documentation names exists.
func TestNames(t *testing.T) {
	tests := map[string]struct {
		// mentioned in code on any page; the first group is the name.
		mentioned *regexp.Regexp
		exists    []string
		// least is how many are mentioned at least, or the pattern finds nothing any more.
		least int
	}{
		"make targets": {
			mentioned: regexp.MustCompile(`(?m)\bmake ([a-z][a-z0-9-]*)`),
			exists:    submatches(t, `(?m)^([a-z][a-z0-9-]*):`, "Makefile"),
			least:     8,
		},
		"verbs of kubectl soc": {
			mentioned: regexp.MustCompile(`\bkubectl soc (?:-n \S+ )?([a-z]+)`),
			exists:    append(submatches(t, `Use:\s+"([a-z]+)`, "cmd/kubectl-soc/*.go"), "completion"),
			least:     8,
		},
		"tests": {
			mentioned: regexp.MustCompile(`\b((?:Test|Fuzz)[A-Z]\w+)`),
			exists:    testsOf(t),
			least:     25,
		},
		"metrics": {
			mentioned: regexp.MustCompile(`\b(tocsin_[a-z_]+)`),
			exists:    metricsOf(t),
			least:     7,
		},
		"flags of the operator": {
			mentioned: regexp.MustCompile(`--((?:data|ingest|health|metrics|leader|max)-[a-z-]+)`),
			exists:    submatches(t, `(?s)Var\(&o\.\w+, "([a-z-]+)"`, "cmd/tocsin/options.go"),
			least:     8,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			mentioned := map[string]bool{}
			for _, p := range pages(t) {
				for _, match := range tt.mentioned.FindAllStringSubmatch(p.code(), -1) {
					mentioned[match[1]] = true
					if !slices.Contains(tt.exists, match[1]) {
						t.Errorf("%s: %s does not exist; there are %v", p.path, match[1], tt.exists)
					}
				}
			}
			if len(mentioned) < tt.least {
				t.Errorf("only %d are mentioned, expected at least %d", len(mentioned), tt.least)
			}
		})
	}
}

// TestMetricsAreDocumented: operations.md lists every metric of Tocsin's own.
func TestMetricsAreDocumented(t *testing.T) {
	documented := read(t, "docs/operations.md").code()
	for _, metric := range metricsOf(t) {
		if !strings.Contains(documented, metric) {
			t.Errorf("docs/operations.md does not tell of %s", metric)
		}
	}
}

// submatches of a pattern in the files that a glob below the root finds.
func submatches(t *testing.T, pattern, glob string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, glob))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s finds nothing (%v)", glob, err)
	}
	var found []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(raw), -1) {
			found = append(found, match[1])
		}
	}
	return found
}

// metricsOf the operator. Ingest writes the prefix of its counters once.
func metricsOf(t *testing.T) []string {
	t.Helper()
	found := submatches(t, `Name: "(tocsin_[a-z_]+)"`, "controllers/*/metrics.go")
	found = append(found, submatches(t, `Name: "(tocsin_[a-z_]*[a-z])"`, "internal/ingest/metrics.go")...)
	for _, name := range submatches(t, `counter\("([a-z_]+)"`, "internal/ingest/metrics.go") {
		found = append(found, "tocsin_ingest_"+name)
	}
	return found
}

func testsOf(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		for _, match := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`).FindAllStringSubmatch(string(raw), -1) {
			found = append(found, match[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
