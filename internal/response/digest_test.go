package response_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

func change() response.Change {
	return response.Change{
		Action: "a1", Connector: "cluster", Operation: "label", Arguments: map[string]any{"pod": "shop/web-0", "labels": map[string]any{"b": "2", "a": "1"}},
		Target: v1alpha1.TargetReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-0", UID: "u1"}, Diff: "+a",
		Undo: v1alpha1.UndoReversible,
	}
}

// golden pins the format: a digest that changes with a release would void every approval given before.
const golden = "31685f736d6ad134de427a5a2f6e820953d3c997e6ee05d30bfa8bdaebdfafef"

func TestDigestBindsEverything(t *testing.T) {
	cases := map[string]func(*response.Change){
		"action":         func(c *response.Change) { c.Action = "a2" },
		"connector":      func(c *response.Change) { c.Connector = "other" },
		"operation":      func(c *response.Change) { c.Operation = "delete-pod" },
		"argument":       func(c *response.Change) { c.Arguments["pod"] = "shop/web-1" },
		"argument added": func(c *response.Change) { c.Arguments["force"] = true },
		"argument moved": func(c *response.Change) {
			c.Arguments = map[string]any{"pod": "shop/web-0", "labels": map[string]any{"a": "2", "b": "1"}}
		},
		"no arguments": func(c *response.Change) { c.Arguments = nil },
		"target uid":   func(c *response.Change) { c.Target.UID = "u2" },
		"target name":  func(c *response.Change) { c.Target.Name = "web-1" },
		"target kind":  func(c *response.Change) { c.Target.Kind = "Node" },
		"diff":         func(c *response.Change) { c.Diff = "+b" },
		"undo":         func(c *response.Change) { c.Undo = v1alpha1.UndoIrreversible },
		"field border": func(c *response.Change) { c.Connector, c.Operation = "clusterl", "abel" },
	}
	base := digestOf(t, change())
	seen := map[string]string{base: "base"}
	for name, alter := range cases {
		altered := change()
		alter(&altered)
		got := digestOf(t, altered)
		if other, clash := seen[got]; clash {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[got] = name
	}
}

func TestDigestIsStable(t *testing.T) {
	for range 20 {
		if got := digestOf(t, change()); got != golden {
			t.Fatalf("got %s, want %s", got, golden)
		}
	}
	empty, missing := change(), change()
	empty.Arguments, missing.Arguments = map[string]any{}, nil
	if digestOf(t, empty) != digestOf(t, missing) {
		t.Error("no arguments and empty arguments are the same request")
	}
}

func TestDigestRefusesWhatIsNoJSON(t *testing.T) {
	c := change()
	c.Arguments["f"] = func() {}
	if _, err := c.Digest(); err == nil {
		t.Error("want an error")
	}
}

func digestOf(t *testing.T, c response.Change) string {
	t.Helper()
	d, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
