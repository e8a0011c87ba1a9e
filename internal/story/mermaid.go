package story

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Columns of text in a label of a diagram.
const (
	mermaidEntity = 64
	mermaidWhat   = 96
)

// Mermaid draws the attack path of a case as the text of a Mermaid flowchart.
func (s Style) Mermaid(c *v1alpha1.Investigation) string {
	var b strings.Builder
	g := layOut(c.Status.AttackPath)
	format, day := s.days(c.Status.AttackPath)
	fmt.Fprintf(&b, "flowchart LR\n  %%%% %s\n", strings.TrimSpace("attack path of case "+inert(c.Namespace+"/"+c.Name)+" "+day))
	if len(g.rows) == 0 {
		b.WriteString("  none[\"No step of an attack is known\"]\n")
		return b.String()
	}
	ids := map[string]string{}
	for column, name := range g.columns {
		var nodes strings.Builder
		for _, r := range g.rows {
			for _, at := range []*box{r.actor, r.target} {
				if at == nil || at.again || at.column != column {
					continue
				}
				ids[at.entity] = "n" + strconv.Itoa(len(ids)+1)
				kind, name := entity(at.entity)
				fmt.Fprintf(&nodes, "    %s[\"%s<br/>%s\"]\n", ids[at.entity], inert(short(kind, mermaidEntity)), inert(short(name, mermaidEntity)))
			}
		}
		if nodes.Len() > 0 {
			fmt.Fprintf(&b, "  subgraph c%d[\"%s\"]\n%s  end\n", column, inert(name), nodes.String())
		}
	}
	for _, r := range g.rows {
		if r.step == nil {
			continue
		}
		marks := s.marksOf(r, format)
		if r.target.again && r.step.Tactic != "" { // its box is in the column of another tactic
			marks += " · " + g.columns[r.target.column]
		}
		fmt.Fprintf(&b, "  %s -->|\"%s<br/>%s\"| %s\n", ids[r.step.From], inert(marks), inert(short(r.step.What, mermaidWhat)), ids[r.step.To])
	}
	if g.left > 0 {
		fmt.Fprintf(&b, "  more[\"%s not drawn\"]\n", inert(count(g.left, "step")))
	}
	return b.String()
}

// written stays as it is in a label: between quotes it means nothing.
const written = " -_.,:/·"

// inert writes text as letters and digits, and nearly everything else as entity codes:
// whatever it says, it is no syntax of Mermaid, Markdown or HTML.
func inert(text string) string {
	var b strings.Builder
	for _, r := range Plain(text) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(written, r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "#%d;", r)
	}
	return b.String()
}
