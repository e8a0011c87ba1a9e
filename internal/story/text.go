package story

import (
	"math"
	"strings"
	"unicode"

	"github.com/clipperhouse/displaywidth"

	"github.com/tocsin-dev/tocsin/internal/analyst"
)

// Plain makes text safe to show in one line, whoever wrote it.
func Plain(text string) string { return analyst.Plain(text, math.MaxInt) }

// short is Plain, cut to a number of terminal columns.
func short(text string, width int) string {
	return displaywidth.TruncateString(Plain(text), width, "…")
}

// verbatim makes a line safe to show and keeps its indentation.
func verbatim(line string) string {
	line = strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, line)
}

// left fills text up to a number of columns, right does so in front of it.
func left(text string, width int) string { return text + blank(width-displaywidth.String(text)) }

func right(text string, width int) string { return blank(width-displaywidth.String(text)) + text }

func blank(width int) string { return strings.Repeat(" ", max(width, 0)) }

// wrap breaks text into lines of at most width columns, between words where it
// can. There is at least one line.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(Plain(text)) {
		if line != "" && displaywidth.String(line)+1+displaywidth.String(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for displaywidth.String(word) > width {
			head := displaywidth.TruncateString(word, width, "")
			if head == "" {
				break
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	return append(lines, line)
}
