package egress

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxSelector bounds what is read, and with it how deep it nests.
const maxSelector = 4096

// token of Calico's language of selectors: a quoted value, a label or word, or a sign.
var token = regexp.MustCompile(`^\s*("[^"]*"|'[^']*'|[A-Za-z0-9_./-]+|==|!=|&&|\|\||[!(){},])`)

// selects says whether a selector in Calico's language selects what has these labels.
// An empty one selects everything.
func selects(text string, set map[string]string) (bool, error) {
	if strings.TrimSpace(text) == "" {
		return true, nil
	}
	if len(text) > maxSelector {
		return false, fmt.Errorf("selector of %d characters, expected at most %d", len(text), maxSelector)
	}
	s := &selector{labels: set}
	for rest := text; strings.TrimSpace(rest) != ""; {
		match := token.FindStringSubmatch(rest)
		if match == nil {
			return false, fmt.Errorf("selector %q: unexpected %q", text, rest)
		}
		s.tokens, rest = append(s.tokens, match[1]), rest[len(match[0]):]
	}
	selected := s.or()
	if s.err == nil && len(s.tokens) > 0 {
		s.expected("the end")
	}
	if s.err != nil {
		return false, fmt.Errorf("selector %q: %w", text, s.err)
	}
	return selected, nil
}

// selector is read and evaluated in one go. After an error it reads no further.
type selector struct {
	labels map[string]string
	tokens []string
	err    error
}

func (s *selector) or() bool {
	selected := s.and()
	for s.take("||") {
		right := s.and()
		selected = selected || right
	}
	return selected
}

func (s *selector) and() bool {
	selected := s.not()
	for s.take("&&") {
		right := s.not()
		selected = selected && right
	}
	return selected
}

func (s *selector) not() bool {
	if s.take("!") {
		return !s.not()
	}
	if s.take("(") {
		selected := s.or()
		s.need(")")
		return selected
	}
	word := s.next("a label")
	if len(s.tokens) == 0 || s.tokens[0] != "(" {
		return s.compare(word)
	}
	s.need("(")
	selected := false
	switch word {
	case "all":
		selected = true
	case "global": // what is in no namespace
	case "has":
		_, selected = s.labels[s.next("a label")]
	default:
		s.expected("all(), global() or has(label)")
	}
	s.need(")")
	return selected
}

// compare reads what is said of a label. What a label is not, one that is missing is not either.
func (s *selector) compare(label string) bool {
	value, has := s.labels[label]
	switch operator := s.next("an operator"); operator {
	case "==":
		return s.value() == value && has
	case "!=":
		return s.value() != value || !has
	case "contains":
		return strings.Contains(value, s.value()) && has
	case "starts":
		s.need("with")
		return strings.HasPrefix(value, s.value()) && has
	case "ends":
		s.need("with")
		return strings.HasSuffix(value, s.value()) && has
	case "in":
		return slices.Contains(s.values(), value) && has
	case "not":
		s.need("in")
		return !slices.Contains(s.values(), value) || !has
	default:
		if s.err == nil {
			s.err = fmt.Errorf("unknown operator %q", operator)
		}
		return false
	}
}

func (s *selector) values() []string {
	s.need("{")
	var all []string
	for s.err == nil && !s.take("}") {
		all = append(all, s.value())
		if !s.take(",") {
			s.need("}")
			break
		}
	}
	return all
}

func (s *selector) value() string {
	quoted := s.next("a quoted value")
	if len(quoted) < 2 || quoted[0] != '"' && quoted[0] != '\'' {
		s.expected("a quoted value")
		return ""
	}
	return quoted[1 : len(quoted)-1]
}

func (s *selector) take(sign string) bool {
	if s.err != nil || len(s.tokens) == 0 || s.tokens[0] != sign {
		return false
	}
	s.tokens = s.tokens[1:]
	return true
}

func (s *selector) need(sign string) {
	if !s.take(sign) {
		s.expected(sign)
	}
}

func (s *selector) next(what string) string {
	if s.err != nil || len(s.tokens) == 0 {
		s.expected(what)
		return ""
	}
	first := s.tokens[0]
	s.tokens = s.tokens[1:]
	return first
}

func (s *selector) expected(what string) {
	switch {
	case s.err != nil:
	case len(s.tokens) == 0:
		s.err = fmt.Errorf("expected %s at the end", what)
	default:
		s.err = fmt.Errorf("expected %s before %q", what, strings.Join(s.tokens, " "))
	}
}
