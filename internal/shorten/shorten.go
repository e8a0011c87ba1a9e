// Package shorten makes text fit the limits that the API server sets, which it
// counts in characters or in bytes, depending on the field.
package shorten

import (
	"strings"
	"unicode/utf8"
)

const ellipsis = "…"

// Characters returns valid UTF-8 of at most limit characters. Text that is longer
// ends in an ellipsis.
func Characters(text string, limit int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	count := 0
	for end := range text {
		if count++; count == limit {
			return text[:end] + ellipsis
		}
	}
	return ""
}

// Bytes is Characters with a limit in bytes.
func Bytes(text string, limit int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:max(end, 0)] + ellipsis
}

// Name returns the beginning of an object's name, at most limit bytes, so that
// "-" and more may follow.
func Name(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	return strings.TrimRight(name[:limit], "-.")
}
