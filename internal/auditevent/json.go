package auditevent

import (
	"math"
	"net/url"
	"strings"
)

func object(m map[string]any, field string) map[string]any {
	o, _ := m[field].(map[string]any)
	return o
}

func text(m map[string]any, field string) string {
	s, _ := m[field].(string)
	return s
}

func list(m map[string]any, field string) []any {
	l, _ := m[field].([]any)
	return l
}

// number reads a JSON number, whichever Go type the decoder chose.
func number(m map[string]any, field string) int {
	switch n := m[field].(type) {
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<31 {
			return int(n)
		}
	case int64:
		return int(n)
	case int:
		return n
	}
	return 0
}

func texts(m map[string]any, field string) []string {
	var found []string
	for _, item := range list(m, field) {
		if s, ok := item.(string); ok {
			found = append(found, s)
		}
	}
	return found
}

func firstText(m map[string]any, field string) string {
	if found := texts(m, field); len(found) > 0 {
		return found[0]
	}
	return ""
}

// asksDryRun reads the query of a request URI.
func asksDryRun(uri string) bool {
	_, query, found := strings.Cut(uri, "?")
	if !found || !strings.Contains(query, "dryRun") {
		return false
	}
	values, err := url.ParseQuery(query)
	return err == nil && values.Get("dryRun") == "All"
}
