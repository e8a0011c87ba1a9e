package responseaction

import (
	"strings"
	"unicode/utf8"
)

// Lengths that the API server accepts, in characters.
const (
	maxMessage  = 1024
	maxSummary  = 512
	maxWarning  = 512
	maxWarnings = 16
	maxDiff     = 32768
)

// cut shortens text to a number of characters and makes it valid UTF-8.
func cut(text string, length int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= length {
		return text
	}
	return string([]rune(text)[:length-3]) + "..."
}
