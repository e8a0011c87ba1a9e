package analyst

import (
	"strings"
	"unicode"
)

// Plain makes text that an attacker may have written safe to show in one line:
// line breaks and other white space become single spaces, characters that are not
// visible or that reorder what is shown become U+FFFD, and at most limit characters remain.
func Plain(text string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range text {
		if unicode.IsSpace(r) {
			space = n > 0
			continue
		}
		if !unicode.IsGraphic(r) {
			r = unicode.ReplacementChar
		}
		width := 1
		if space {
			width = 2
		}
		if n+width > limit {
			return cut(b.String(), limit)
		}
		if space {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		n, space = n+width, false
	}
	return b.String()
}

// ends is Plain that leaves out of what is too long the middle: where a command writes to
// and whom it calls stands at its end.
func ends(text string, limit int) string {
	text = Plain(text, 1<<14)
	runes := []rune(text)
	if len(runes) <= limit || limit < 8 {
		return Plain(text, limit)
	}
	tail := limit / 3
	return strings.TrimRight(string(runes[:limit-tail-1]), " ") + "…" + strings.TrimLeft(string(runes[len(runes)-tail:]), " ")
}

// cut ends text with an ellipsis in place of what does not fit.
func cut(text string, limit int) string {
	runes := []rune(text)
	if limit <= 0 {
		return ""
	}
	if len(runes) >= limit {
		runes = runes[:limit-1]
	}
	return strings.TrimRight(string(runes), " ") + "…"
}

// quote marks text as somebody else's words.
func quote(text string, limit int) string { return "“" + Plain(unquoted(text), limit) + "”" }

// quoteEnds is quote that leaves out the middle.
func quoteEnds(text string, limit int) string { return "“" + ends(unquoted(text), limit) + "”" }

func unquoted(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '“' || r == '”' || r == '"' {
			return '\''
		}
		return r
	}, text)
}
