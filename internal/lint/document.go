package lint

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/check"
)

// object is one object of Tocsin's own, with where its fields stand.
type object struct {
	file  string
	value map[string]any
	place
	// kind, namespace and name as they are written; each may be empty.
	kind, namespace, name string
}

// place finds the lines of fields.
type place struct {
	node *yaml.Node
	// above is how many lines of the file are before the document.
	above int
}

// read returns the objects of Tocsin's own in a file, and what cannot be read of it.
// Documents that do not speak of Tocsin are none of its business, whatever they are.
func read(file File) ([]*object, []Finding) {
	var objects []*object
	var findings []Finding
	for _, d := range documents(file.Data) {
		if !bytes.Contains(d.text, []byte(v1alpha1.Group+"/")) {
			continue
		}
		found, err := d.objects()
		if err != nil {
			line, message := d.explain(err)
			findings = append(findings, Finding{
				File: file.Name, Line: line, Level: check.Error, Rule: check.RuleYAML, Message: message,
			})
			continue
		}
		for _, o := range found {
			o.file = file.Name
			objects = append(objects, o)
		}
	}
	return objects, findings
}

// document is one of the documents of a YAML stream.
type document struct {
	text  []byte
	above int
}

// documents are parted as kubectl does.
func documents(data []byte) []document {
	var all []document
	current := document{}
	line := 0
	for rest := data; len(rest) > 0; line++ {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		if separates(rest[:end]) {
			all = append(all, current)
			current = document{above: line + 1}
		} else {
			current.text = append(current.text, rest[:end]...)
		}
		rest = rest[end:]
	}
	return append(all, current)
}

func separates(line []byte) bool {
	after, found := bytes.CutPrefix(line, []byte("---"))
	after = bytes.TrimSpace(after)
	return found && (len(after) == 0 || after[0] == '#')
}

// objects are those of Tocsin's own: the document, or what it lists.
func (d document) objects() ([]*object, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(d.text, &root); err != nil {
		return nil, err
	}
	// Values are read as kubectl reads them, which knows more words for true than YAML has today.
	raw, err := sigsyaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return nil, err
	}
	var content any
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, err
	}
	value, ok := content.(map[string]any)
	if !ok || len(root.Content) == 0 {
		return nil, nil
	}
	at := place{node: root.Content[0], above: d.above}
	if items, ok := value["items"].([]any); ok && value["kind"] == "List" {
		return listed(items, at), nil
	}
	if o := newObject(value, at); o != nil {
		return []*object{o}, nil
	}
	return nil, nil
}

func listed(items []any, at place) []*object {
	var objects []*object
	for i, item := range items {
		value, _ := item.(map[string]any)
		node := find(at.node, "items["+strconv.Itoa(i)+"]")
		if o := newObject(value, place{node: node, above: at.above}); o != nil {
			objects = append(objects, o)
		}
	}
	return objects
}

// newObject returns nil for what is not of Tocsin's group.
func newObject(value map[string]any, at place) *object {
	version, _ := value["apiVersion"].(string)
	if group, _, _ := strings.Cut(version, "/"); group != v1alpha1.Group {
		return nil
	}
	o := &object{value: value, place: at}
	o.kind, _ = value["kind"].(string)
	metadata, _ := value["metadata"].(map[string]any)
	o.namespace, _ = metadata["namespace"].(string)
	o.name, _ = metadata["name"].(string)
	return o
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// explain an error of a YAML parser by the line in the file.
func (d document) explain(err error) (line int, message string) {
	line = d.above + 1
	message = strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = d.above + n
		}
	}
	message = yamlLine.ReplaceAllString(strings.TrimPrefix(message, "unmarshal errors:"), "")
	return line, strings.Join(strings.Fields(message), " ")
}
