package install_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The image is built from what .dockerignore lets through: a source or an embedded
// file elsewhere would be missing there.
func TestTheImageIsBuiltFromWhatItIsGiven(t *testing.T) {
	raw, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for line := range strings.Lines(string(raw)) {
		if path, allows := strings.CutPrefix(strings.TrimSpace(line), "!"); allows {
			allowed = append(allowed, path)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	needed := sources(t, root)
	for _, path := range append(needed, "go.mod", "go.sum", "Makefile") {
		if !slices.ContainsFunc(allowed, func(a string) bool { return path == a || strings.HasPrefix(path, a+"/") }) {
			t.Errorf("%s is needed to build the image, and .dockerignore leaves it out", path)
		}
	}
	if !slices.Contains(needed, "config/admission/approvals.yaml") {
		t.Errorf("no embedded file is among %d sources", len(needed))
	}
}

// sources are the files of this module that make build compiles and embeds.
func sources(t *testing.T, root string) []string {
	t.Helper()
	out := run(t, "go", "list", "-deps", "-json=Dir,Module,GoFiles,EmbedFiles", "../../cmd/tocsin", "../../cmd/kubectl-soc")
	var files []string
	for packages := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir                 string
			Module              struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			files = append(files, filepath.ToSlash(filepath.Join(dir, file)))
		}
	}
}
