package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// graph is the flag --graph: where the picture of a case goes. Its ending says what
// kind of picture that is.
type graph string

// drawing returns what draws the picture; nil if none is wanted.
func (g graph) drawing() (func(story.Style, *v1alpha1.Investigation) string, error) {
	switch ending := filepath.Ext(string(g)); {
	case g == "":
		return nil, nil
	case g == "-" || ending == ".mmd":
		return story.Style.Mermaid, nil
	case ending == ".svg":
		return story.Style.SVG, nil
	case ending == ".md":
		return func(s story.Style, c *v1alpha1.Investigation) string {
			return "```mermaid\n" + s.Mermaid(c) + "```\n"
		}, nil
	}
	return nil, fmt.Errorf("--graph: %q must end in .svg, .mmd or .md, or be - for Mermaid on standard output", string(g))
}

// draw writes the picture.
func (c *cli) draw(to graph, picture string) error {
	if to == "-" {
		fmt.Fprint(c.Out, picture)
		return nil
	}
	if err := os.WriteFile(string(to), []byte(picture), 0o644); err != nil {
		return fmt.Errorf("--graph: %w", err)
	}
	fmt.Fprintf(c.ErrOut, "%s written\n", story.Plain(string(to)))
	return nil
}
