package redact

import (
	"regexp"
	"strings"
)

// pattern is a secret that can be told by its looks. Text without any of the
// hints (lower case) cannot match, which spares most text the expression.
type pattern struct {
	hints   []string
	match   *regexp.Regexp
	replace string
}

const secretWord = `pass(?:word|wd|phrase)|(?:api|access|secret|private|account)[_-]?key|(?:client[_-]?)?secret|(?:access|refresh|id|auth|session|bearer)?[_-]?token|authorization`

var patterns = []pattern{
	{ // A private key, also when its end is cut off.
		hints:   []string{"private key"},
		match:   regexp.MustCompile(`(?is)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|$)`),
		replace: Mark,
	},
	{ // A JSON Web Token, such as a ServiceAccount's.
		hints:   []string{"eyj"},
		match:   regexp.MustCompile(`eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*`),
		replace: Mark,
	},
	{ // Keys of clouds and forges with a fixed beginning.
		hints:   []string{"akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "aiza", "sk-"},
		match:   regexp.MustCompile(`(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[a-z]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|sk-[A-Za-z0-9_-]{20,}`),
		replace: Mark,
	},
	{ // A header of HTTP.
		hints:   []string{"bearer", "basic"},
		match:   regexp.MustCompile(`(?i)(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}`),
		replace: "${1}${2}" + Mark,
	},
	{ // A password in a URL.
		hints:   []string{"://"},
		match:   regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`),
		replace: "${1}" + Mark + "@",
	},
	{ // name=value and "name": "value", also where JSON lies in JSON.
		hints:   []string{"pass", "key", "secret", "token", "authorization"},
		match:   regexp.MustCompile(`(?i)(` + secretWord + `)(\\*["']?\s*[:=]\s*)(\\*"(?:[^"\\]|\\[^"])*|'[^']*|[^\s"'&,;\[\]{}]+)`),
		replace: "${1}${2}" + Mark,
	},
	{ // --name value on a command line.
		hints:   []string{"pass", "key", "secret", "token"},
		match:   regexp.MustCompile(`(?i)(--?[a-z-]*(?:` + secretWord + `)\s+)([^\s-]\S*)`),
		replace: "${1}" + Mark,
	},
}

// String returns text without what looks like a secret: private keys, JSON Web
// Tokens, keys of clouds and forges, HTTP credentials, and values that are
// assigned to names such as password or token.
func String(s string) string {
	if len(s) < 8 {
		return s
	}
	lower := strings.ToLower(s)
	for _, p := range patterns {
		if p.hinted(lower) {
			s = p.match.ReplaceAllString(s, p.replace)
		}
	}
	return s
}

func (p pattern) hinted(lower string) bool {
	for _, hint := range p.hints {
		if strings.Contains(lower, hint) {
			return true
		}
	}
	return false
}
