package story

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// cell of a table.
type cell struct {
	text string
	ink  ink
}

// table aligns columns by what characters take on a terminal, which is not what
// text/tabwriter counts.
type table struct {
	header []string
	rows   [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

const gap = "   "

func (t *table) write(s Style) string {
	widths := make([]int, len(t.header))
	for i, title := range t.header {
		widths[i] = displaywidth.String(title)
		for _, row := range t.rows {
			widths[i] = max(widths[i], displaywidth.String(row[i].text))
		}
	}
	var b strings.Builder
	header := make([]cell, len(t.header))
	for i, title := range t.header {
		header[i] = cell{text: title}
	}
	for _, row := range append([][]cell{header}, t.rows...) {
		for i, c := range row {
			b.WriteString(s.paint(c.ink, c.text))
			if i < len(row)-1 {
				b.WriteString(blank(widths[i]-displaywidth.String(c.text)) + gap)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
