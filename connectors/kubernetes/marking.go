package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// marking is what setting labels and setting annotations have in common.
type marking struct {
	// verb for summaries; member of the metadata, which is the argument's name too.
	verb, member string
	// restore is the operation that takes it back.
	restore string
}

// markChange is one label or annotation; nil stands for absent.
type markChange struct {
	Key  string  `json:"key"`
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}

func (m marking) path(key string) []string { return []string{"metadata", m.member, key} }

func (m marking) parse(arguments map[string]any) (rewrite, error) {
	a, err := decode[object](arguments)
	if err != nil {
		return rewrite{}, err
	}
	marks, err := decode[map[string]string](arguments[m.member])
	r := rewrite{target: a.target()}
	for _, key := range slices.Sorted(maps.Keys(marks)) {
		r.fields = append(r.fields, field{path: m.path(key), to: marks[key]})
	}
	return r, err
}

func (m marking) parseRestore(arguments map[string]any) (rewrite, error) {
	a, err := decode[object](arguments)
	if err != nil {
		return rewrite{}, err
	}
	changes, err := decode[[]markChange](arguments[m.member])
	r := rewrite{target: a.target()}
	for _, c := range changes {
		r.fields = append(r.fields, field{path: m.path(c.Key), from: optional(c.From), to: optional(c.To)})
	}
	return r, err
}

func (m marking) undo(r rewrite) (*connectors.Inverse, error) {
	changes := make([]markChange, 0, len(r.fields))
	for _, f := range r.fields {
		changes = append(changes, markChange{Key: f.path[len(f.path)-1], From: pointer(f.to), To: pointer(f.from)})
	}
	arguments, err := answer(named(r.target))
	if err != nil {
		return nil, err
	}
	arguments[m.member] = changes
	return inverse(m.restore, arguments)
}

func (m marking) summary(r rewrite) string {
	changes := make([]string, 0, len(r.fields))
	for _, f := range r.fields {
		key := strings.TrimPrefix(f.path[len(f.path)-1], v1alpha1.Group+"/")
		if f.to == nil {
			changes = append(changes, "no "+key)
		} else {
			changes = append(changes, fmt.Sprintf("%s=%s", key, f.to))
		}
	}
	return fmt.Sprintf("%s %s %s", m.verb, name(r.target), strings.Join(changes, ", "))
}

// optional is the untyped nil for an absent string, which a nil *string is not.
func optional(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func pointer(value any) *string {
	s, ok := value.(string)
	if !ok {
		return nil
	}
	return &s
}
