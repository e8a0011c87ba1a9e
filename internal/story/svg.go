package story

import (
	"fmt"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// SVG draws the attack path of a case: tactics are columns, time runs down, and each
// step is a line from who acted to what was acted on.
func (s Style) SVG(c *v1alpha1.Investigation) string {
	p := picture{graph: layOut(c.Status.AttackPath)}
	var day string
	p.format, day = s.days(c.Status.AttackPath)
	p.measure()
	heading := wrap(fmt.Sprintf("%s  %s  %s", priorityText(c), verdictText(c), c.Name), (p.width-2*margin)/9)
	about := clipped(title(c), (p.width-2*margin)/7, 2)
	top := margin + 20*len(heading) + lineHeight*len(about) + 6
	p.place(top + 26)

	fmt.Fprintf(&p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img"`, p.width, p.height)
	p.WriteString(` font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="12">` + "\n")
	fmt.Fprintf(&p, "<title>%s</title>\n<style>%s</style>\n", escape("Attack path of case "+c.Name), svgStyle)
	fmt.Fprintf(&p, `<rect class="ground" width="%d" height="%d" rx="8"/>`+"\n", p.width, p.height)
	p.text("title", margin, margin+10, 20, heading...)
	p.text("text", margin, margin+10+20*len(heading), lineHeight, about...)
	p.bands(top)
	for i := range p.rows {
		p.connect(&p.rows[i])
	}
	for i := range p.rows {
		p.cells(s, &p.rows[i])
	}
	p.footer(day)
	p.WriteString("</svg>\n")
	return p.String()
}

// bands are the columns with their headings.
func (p *picture) bands(top int) {
	for column, name := range p.columns {
		fmt.Fprintf(p, `<rect class="band" x="%d" y="%d" width="%d" height="%d" rx="6"/>`+"\n",
			p.x[column]-10, top, cellWidth+20, p.height-top-footerHeight)
		p.text("head", p.x[column], top+18, lineHeight, name)
	}
}

// connect draws the line of a step, with an arrow's head at its target.
func (p *picture) connect(r *row) {
	if r.source == nil {
		return
	}
	from, lane := p.x[r.source.column]+cellWidth, p.lane(r.source)
	y1, y2 := p.centre[r.source.row], p.centre[r.target.row]
	to, tip := p.x[r.target.column], -7
	if r.target.column <= r.source.column { // backwards, into its right side, where its own lines begin
		to, tip, y2 = to+cellWidth, 7, y2+9
	}
	side := 5
	if to < lane {
		side = -5
	}
	fmt.Fprintf(p, `<g class="h%d"><path class="line" d="M%d %d`, r.source.hue%hues, from, y1)
	if y1 != y2 {
		fmt.Fprintf(p, "H%dQ%[2]d %[3]d %[2]d %[4]dV%dQ%[2]d %[6]d %[7]d %[6]d", lane-5, lane, y1, y1+5, y2-5, y2, lane+side)
	}
	fmt.Fprintf(p, `H%d"/><path class="tip" d="M%d %dl%d -4v8z"/></g>`+"\n", to+tip, to, y2, tip)
}

// cells are the boxes of a row, and what happened above the target's.
func (p *picture) cells(s Style, r *row) {
	if r.actor != nil {
		p.box(r.actor, p.centre[r.actor.row])
	}
	if r.target == nil {
		return
	}
	hue := "none"
	if r.source != nil {
		hue = fmt.Sprintf("h%d", r.source.hue%hues)
	}
	label := p.label(r)
	y := p.centre[r.target.row] - boxHeight(r.target)/2 - lineHeight*(len(label)+1) - 4
	fmt.Fprintf(p, `<svg class="%s" x="%d" y="%d" width="%d" height="%d"><title>%s</title>`+"\n",
		hue, p.x[r.target.column], y, cellWidth+8, lineHeight*(len(label)+1)+4, escape(r.step.What))
	p.text("when", 1, 11, lineHeight, s.marksOf(*r, p.format))
	p.text("text", 1, 11+lineHeight, lineHeight, label...)
	p.WriteString("</svg>\n")
	p.box(r.target, p.centre[r.target.row])
}

// box draws an entity; what does not fit is in its tooltip.
func (p *picture) box(b *box, centre int) {
	kind, name := entity(b.entity)
	height := boxHeight(b)
	class, hue := "box", "none"
	if b.again {
		class = "box again"
	}
	if b.hue >= 0 {
		class, hue = "box source", fmt.Sprintf("h%d", b.hue%hues)
	}
	fmt.Fprintf(p, `<svg class="%s" x="%d" y="%d" width="%d" height="%d"><title>%s</title><rect class="%s" x="1" y="1" width="%d" height="%d" rx="6"/>`+"\n",
		hue, p.x[b.column], centre-height/2, cellWidth, height, escape(b.entity), class, cellWidth-2, height-2)
	p.text("kind", 10, 17, lineHeight, short(kind, labelWidth))
	p.text("name", 10, 33, lineHeight, nameLines(name)...)
	p.WriteString("</svg>\n")
}

func (p *picture) footer(day string) {
	note := "Time runs down, tactics run right. A dashed box was met before. E1 names evidence: kubectl soc case tells it."
	if day != "" {
		note = day + ". " + note
	}
	if len(p.rows) == 0 {
		note = "No step of an attack is known."
	}
	if p.left > 0 {
		note = fmt.Sprintf("%s not drawn. %s", count(p.left, "step"), note)
	}
	p.text("kind", margin, p.height-14, lineHeight, note)
}

// text writes lines, one under the other.
func (p *picture) text(class string, x, y, height int, lines ...string) {
	for i, line := range lines {
		fmt.Fprintf(p, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, x, y+i*height, escape(line))
	}
}
