package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestGraph(t *testing.T) {
	w := newWorld(t)
	c := w.attack(t, "a stolen token")
	c.Status.AttackPath = []v1alpha1.PathEdge{{From: "Pod:shop/web-0", To: "Process:/bin/sh", Alert: "a", Tactic: "Execution", What: "a shell " + hostile}}
	must(t, w.operator.Status().Update(t.Context(), c))
	tests := map[string]struct{ file, want string }{
		"SVG":      {"case.svg", `(?s)^<svg .*shop/web-0.*</svg>\n$`},
		"Mermaid":  {"case.mmd", `^flowchart LR\n`},
		"Markdown": {"case.md", "(?s)^```mermaid\nflowchart LR\n.*\n```\n$"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), tc.file)
			a := w.run(t, "vera", "case", "shop-7f3a", "--graph", file)
			must(t, a.err)
			drawn, err := os.ReadFile(file)
			must(t, err)
			contains(t, "picture", string(drawn), tc.want)
			contains(t, "stderr", a.errOut, "case.* written\n")
			if a.out != "" {
				t.Errorf("stdout holds %q", a.out)
			}
		})
	}
	printed := w.run(t, "vera", "case", "shop-7f3a", "--graph", "-")
	must(t, printed.err)
	contains(t, "stdout", printed.out, `^flowchart LR\n`, `n1 -->.*a shell`)

	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"another format": {[]string{"--graph", "case.png"}, `--graph: "case.png" must end in .svg, .mmd or .md, or be - for Mermaid`},
		"no ending":      {[]string{"--graph", "svg"}, `must end in .svg`},
		"two outputs":    {[]string{"--graph", "-", "-o", "json"}, "give one of them"},
		"no such folder": {[]string{"--graph", filepath.Join(t.TempDir(), "none", "case.svg")}, "--graph: open .*no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			contains(t, "error", failure(t, w.run(t, "vera", append([]string{"case", "shop-7f3a"}, tc.args...)...)), tc.want)
		})
	}
}
