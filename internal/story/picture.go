package story

import (
	"html"
	"strings"
)

// Measures of a picture in pixels, and of its texts in columns. A font that is wider
// than most gets clipped.
const (
	margin       = 24
	minWidth     = 760
	cellWidth    = 232
	gutterWidth  = 40
	laneWidth    = 8
	maxLanes     = 12
	lineHeight   = 15
	rowGap       = 22
	footerHeight = 34
	labelWidth   = 37
	nameWidth    = 29
	// hues of lines, used in turn.
	hues = 6
)

// svgStyle can be read on light and on dark ground.
const svgStyle = `
.ground{fill:#fff}.band{fill:#f6f8fa}.title{fill:#1f2328;font-weight:600;font-size:16px}.head{fill:#1f2328;font-weight:600}
.text{fill:#424a53}.kind{fill:#59636e;font-size:11px}.when{fill:#59636e;font-weight:600;font-size:11px}
.name{fill:#1f2328;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.box{fill:#fff;stroke:#8c959f}.again{fill:none;stroke-dasharray:4 3}.source{stroke-width:1.6}.line{fill:none;stroke-width:1.6}
.h0 .line,.h0 .source{stroke:#0969da}.h0 .when,.h0 .tip{fill:#0969da}.h1 .line,.h1 .source{stroke:#bc4c00}.h1 .when,.h1 .tip{fill:#bc4c00}
.h2 .line,.h2 .source{stroke:#8250df}.h2 .when,.h2 .tip{fill:#8250df}.h3 .line,.h3 .source{stroke:#1a7f37}.h3 .when,.h3 .tip{fill:#1a7f37}
.h4 .line,.h4 .source{stroke:#bf3989}.h4 .when,.h4 .tip{fill:#bf3989}.h5 .line,.h5 .source{stroke:#9a6700}.h5 .when,.h5 .tip{fill:#9a6700}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117}.band{fill:#161b22}.title,.head,.name{fill:#f0f6fc}.text{fill:#c3cad2}.kind,.when{fill:#9198a1}
.box{fill:#0d1117;stroke:#6e7681}.again{fill:none}
.h0 .line,.h0 .source{stroke:#58a6ff}.h0 .when,.h0 .tip{fill:#58a6ff}.h1 .line,.h1 .source{stroke:#f0883e}.h1 .when,.h1 .tip{fill:#f0883e}
.h2 .line,.h2 .source{stroke:#bc8cff}.h2 .when,.h2 .tip{fill:#bc8cff}.h3 .line,.h3 .source{stroke:#3fb950}.h3 .when,.h3 .tip{fill:#3fb950}
.h4 .line,.h4 .source{stroke:#f778ba}.h4 .when,.h4 .tip{fill:#f778ba}.h5 .line,.h5 .source{stroke:#d29922}.h5 .when,.h5 .tip{fill:#d29922}
}
`

// picture is a graph with the places of everything, and what is written of it so far.
type picture struct {
	graph
	strings.Builder
	format        string
	width, height int
	// x of the columns, centre of the rows' boxes.
	x, centre []int
	// lanes are where the lines of a source run down, by its place among those of its column.
	lanes map[*box]int
}

// measure places the columns: right of each there is room for the lines of its sources.
func (p *picture) measure() {
	p.lanes = map[*box]int{}
	perColumn := make([]int, len(p.columns))
	for _, r := range p.rows {
		if b := r.source; b != nil {
			if _, known := p.lanes[b]; !known {
				p.lanes[b] = perColumn[b.column] % maxLanes
				perColumn[b.column]++
			}
		}
	}
	x := margin
	for _, sources := range perColumn {
		p.x = append(p.x, x)
		x += cellWidth + gutterWidth + laneWidth*min(sources, maxLanes)
	}
	p.width = max(x-gutterWidth+margin, minWidth)
}

func (p *picture) lane(b *box) int {
	return p.x[b.column] + cellWidth + gutterWidth/2 + laneWidth*p.lanes[b]
}

// place puts the rows under each other, from y on.
func (p *picture) place(y int) {
	for i := range p.rows {
		r := &p.rows[i]
		above, tall := 0, 0
		if r.target != nil {
			above, tall = lineHeight*(len(p.label(r))+1)+4, boxHeight(r.target)
		}
		if r.actor != nil {
			tall = max(tall, boxHeight(r.actor))
		}
		p.centre = append(p.centre, y+above+tall/2)
		y += above + tall + rowGap
	}
	p.height = y + footerHeight
}

// label says what happened in a step.
func (p *picture) label(r *row) []string { return clipped(r.step.What, labelWidth, 3) }

func boxHeight(b *box) int {
	_, name := entity(b.entity)
	return 26 + lineHeight*len(nameLines(name))
}

// nameLines breaks a name, which has no spaces, behind a slash where it can.
func nameLines(name string) []string {
	if cut := strings.LastIndex(name, "/"); len(name) > nameWidth && cut > 0 && cut < nameWidth {
		return append([]string{name[:cut+1]}, clipped(name[cut+1:], nameWidth, 1)...)
	}
	return clipped(name, nameWidth, 2)
}

// clipped wraps text into at most so many lines.
func clipped(text string, width, lines int) []string {
	all := wrap(text, width)
	if len(all) > lines {
		all = append(all[:lines-1], short(strings.Join(all[lines-1:], " "), width))
	}
	return all
}

// escape makes text safe within XML: nothing of it is markup, nor invisible.
func escape(text string) string { return html.EscapeString(Plain(text)) }
