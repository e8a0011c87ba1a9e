package auditevent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDepth is how many steps a path may have. The API server bounds the operations.
const maxDepth = 32

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// asObject is what the operations of a JSON patch set, as a merge patch would say
// it: whoever adds one field of a container by its path asks for as much as one who
// sends the container. It is not all if a value was taken from what the object had before.
func asObject(operations []any) (set map[string]any, all bool) {
	root, all := node{}, true
	for i, item := range operations {
		o, _ := item.(map[string]any)
		value := o["value"]
		switch text(o, "op") {
		case "add", "replace":
		case "move", "copy":
			taken, found := root.take(text(o, "from"))
			if !found {
				all = false
				continue
			}
			value = taken
		default:
			continue
		}
		path := text(o, "path")
		if path == "" {
			m, _ := value.(map[string]any)
			maps.Copy(root, m)
			continue
		}
		if steps := strings.Split(path, "/")[1:]; len(steps) > 0 && len(steps) <= maxDepth {
			root.put(steps, value, i)
		}
	}
	return root.plain(), all
}

// take returns what the operations before have set at a path. Nothing of it is a
// node any more, so that two places may hold it.
func (n node) take(path string) (any, bool) {
	steps := strings.Split(path, "/")[1:]
	if len(steps) == 0 || len(steps) > maxDepth {
		return nil, false
	}
	for _, step := range steps[:len(steps)-1] {
		step = unescapePointer.Replace(step)
		next, ok := n[step].(node)
		if !ok {
			if next = asNode(n[step]); len(next) == 0 {
				return nil, false
			}
			n[step] = next
		}
		n = next
	}
	last := unescapePointer.Replace(steps[len(steps)-1])
	value, ok := n[last]
	if made, isNode := value.(node); isNode {
		value = made.value()
		n[last] = value
	}
	return value, ok
}

// node is a map or list of asObject's own; other values belong to the raw event.
type node map[string]any

// put sets a value. Items that are appended get the number of their operation as key.
func (n node) put(steps []string, value any, operation int) {
	for i, step := range steps {
		step = unescapePointer.Replace(step)
		if step == "-" {
			step = fmt.Sprintf("-%d", operation)
		}
		if i == len(steps)-1 {
			n[step] = value
			return
		}
		next, ok := n[step].(node)
		if !ok {
			next = asNode(n[step])
			n[step] = next
		}
		n = next
	}
}

// asNode copies a map or a list of the raw event, one level deep.
func asNode(value any) node {
	n := node{}
	switch v := value.(type) {
	case map[string]any:
		maps.Copy(n, v)
	case []any:
		for i, item := range v {
			n[fmt.Sprint(i)] = item
		}
	}
	return n
}

// plain turns nodes into maps, and into lists where every key is an index.
func (n node) plain() map[string]any {
	m := make(map[string]any, len(n))
	for key, value := range n {
		if child, ok := value.(node); ok {
			value = child.value()
		}
		m[key] = value
	}
	return m
}

func (n node) value() any {
	made := n.plain()
	keys := slices.Sorted(maps.Keys(made))
	if len(keys) == 0 || slices.ContainsFunc(keys, notIndex) {
		return made
	}
	items := make([]any, 0, len(keys))
	for _, k := range keys {
		items = append(items, made[k])
	}
	return items
}

func notIndex(key string) bool { return key == "" || strings.Trim(key, "-0123456789") != "" }
