// Package docs checks what the documentation says against what is there: every
// example is applied and compiled, every link, target, verb and test exists.
package docs

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// page is a Markdown file.
type page struct {
	// path relative to the root of the repository, with slashes.
	path string
	// text outside of fenced blocks.
	text   string
	blocks []block
}

// block is fenced; language is what stands behind the fence.
type block struct{ language, text string }

// code is everything that is shown as code.
func (p page) code() string {
	parts := inline.FindAllString(p.text, -1)
	for _, b := range p.blocks {
		parts = append(parts, b.text)
	}
	return strings.Join(parts, "\n")
}

var inline = regexp.MustCompile("`[^`\n]+`")

// pages are all Markdown files of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		all = append(all, parse(filepath.ToSlash(relative), string(raw)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) page {
	t.Helper()
	for _, p := range pages(t) {
		if p.path == path {
			return p
		}
	}
	t.Fatalf("there is no %s", path)
	return page{}
}

// parse tells fenced blocks, which may be indented, from text.
func parse(path, markdown string) page {
	p := page{path: path}
	var text strings.Builder
	var open *block
	indent := ""
	lines := bufio.NewScanner(strings.NewReader(markdown))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		before, language, fence := strings.Cut(line, "```")
		fence = fence && strings.TrimSpace(before) == ""
		switch {
		case fence && open == nil:
			open, indent = &block{language: language}, before
		case fence:
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		default:
			text.WriteString(line + "\n")
		}
	}
	p.text = text.String()
	return p
}
