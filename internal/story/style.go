// Package story writes cases, sums and plans as people read them. It is pure:
// objects in, text out. Names, titles, findings and diffs may have been written
// by an attacker, so nothing of them reaches a terminal but visible characters.
package story

import (
	"time"
)

// Style is how text is written.
type Style struct {
	// Now is what ages are counted from.
	Now time.Time
	// Zone of the times of day.
	Zone *time.Location
	// Colour: with a terminal's codes for it.
	Colour bool
}

// ink is a way to stand out, as the parameter of a terminal's SGR code.
type ink string

const (
	bold   ink = "1"
	dim    ink = "2"
	red    ink = "31"
	green  ink = "32"
	yellow ink = "33"
)

// paint colours text of which the width was taken already.
func (s Style) paint(in ink, text string) string {
	if !s.Colour || text == "" || in == "" {
		return text
	}
	return "\x1b[" + string(in) + "m" + text + "\x1b[0m"
}
