package docs

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// dropped from a heading's anchor, as GitHub makes it.
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\-_ ]`)
)

// TestLinks follows every relative link, and its anchor where it has one.
func TestLinks(t *testing.T) {
	anchors := map[string][]string{}
	all := pages(t)
	for _, p := range all {
		anchors[p.path] = anchorsOf(p)
	}
	followed := 0
	for _, p := range all {
		for _, match := range link.FindAllStringSubmatch(inline.ReplaceAllString(p.text, ""), -1) {
			target, err := url.Parse(match[1])
			if err != nil {
				t.Errorf("%s: %s: %v", p.path, match[1], err)
				continue
			}
			if target.IsAbs() {
				continue
			}
			followed++
			file := p.path
			if target.Path != "" {
				file = path.Join(path.Dir(p.path), target.Path)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s links to %s: %v", p.path, match[1], err)
				continue
			}
			if target.Fragment != "" && !slices.Contains(anchors[file], target.Fragment) {
				t.Errorf("%s links to %s: there is no such heading; there are %v", p.path, match[1], anchors[file])
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were found", followed)
	}
}

func anchorsOf(p page) []string {
	var found []string
	for _, match := range heading.FindAllStringSubmatch(p.text, -1) {
		found = append(found, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return found
}
