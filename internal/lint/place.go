package lint

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// line of a field in the file; of what is nearest above where the field is not there.
// A row counts within the field's text, from 1.
func (p place) line(path string, row int) int {
	key, value := locate(p.node, path)
	line := key.Line
	// Only in a literal block do the rows of the text stand on lines of their own.
	if row > 0 && value.Kind == yaml.ScalarNode && value.Style&yaml.LiteralStyle != 0 {
		line = value.Line + row
	}
	return p.above + max(line, 1)
}

// find is the value at a path, or the nearest above.
func find(node *yaml.Node, path string) *yaml.Node {
	_, value := locate(node, path)
	return value
}

// locate returns the value at a path such as spec.questions[0].use, and the node that
// begins its line: its key in an object, itself in a list.
func locate(node *yaml.Node, path string) (key, value *yaml.Node) {
	key, value = node, node
	for path != "" {
		nextKey, next, rest := step(value, strings.TrimPrefix(path, "."))
		if next == nil {
			return key, value
		}
		key, value, path = nextKey, next, rest
	}
	return key, resolved(value)
}

// step goes one field or index down.
func step(node *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	node = resolved(node)
	switch node.Kind {
	case yaml.MappingNode:
		return member(node, path)
	case yaml.SequenceNode:
		index, rest := bracketed(path)
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i], rest
		}
	}
	return nil, nil, ""
}

// member takes the longest key that the path begins with, since keys may hold dots.
func member(node *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	if name, after := bracketed(path); name != "" {
		path = name + after
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		candidate := node.Content[i]
		after, begins := strings.CutPrefix(path, candidate.Value)
		if !begins || candidate.Value == "" || after != "" && after[0] != '.' && after[0] != '[' {
			continue
		}
		if key == nil || len(candidate.Value) > len(key.Value) {
			key, value, rest = candidate, node.Content[i+1], after
		}
	}
	return key, value, rest
}

// bracketed takes the [...] that a path begins with; a key in it may be quoted.
func bracketed(path string) (inside, rest string) {
	after, begins := strings.CutPrefix(path, "[")
	if !begins {
		return "", path
	}
	if quoted, err := strconv.QuotedPrefix(after); err == nil && strings.HasPrefix(after[len(quoted):], "]") {
		name, _ := strconv.Unquote(quoted)
		return name, after[len(quoted)+1:]
	}
	inside, rest, closed := strings.Cut(after, "]")
	if !closed {
		return "", path
	}
	return inside, rest
}

// resolved follows an alias.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}
