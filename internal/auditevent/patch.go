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
// sends the container.
func asObject(operations []any) map[string]any {
	root := node{}
	for i, item := range operations {
		o, _ := item.(map[string]any)
		path := text(o, "path")
		if op := text(o, "op"); op != "add" && op != "replace" {
			continue
		}
		if path == "" {
			maps.Copy(root, object(o, "value"))
			continue
		}
		if steps := strings.Split(path, "/")[1:]; len(steps) > 0 && len(steps) <= maxDepth {
			root.put(steps, o["value"], i)
		}
	}
	return root.plain()
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
		child, ok := value.(node)
		if !ok {
			m[key] = value
			continue
		}
		made := child.plain()
		m[key] = made
		if keys := slices.Sorted(maps.Keys(made)); len(keys) > 0 && !slices.ContainsFunc(keys, notIndex) {
			items := make([]any, 0, len(keys))
			for _, k := range keys {
				items = append(items, made[k])
			}
			m[key] = items
		}
	}
	return m
}

func notIndex(key string) bool { return key == "" || strings.Trim(key, "-0123456789") != "" }
