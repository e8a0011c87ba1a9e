package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// Effects that stop no pod: one that does takes pods away without asking their
// disruption budgets, which is what drain is for.
const taintEffects = `{"enum": ["NoSchedule", "PreferNoSchedule"]}`

var taintNode = &rewriting{
	operation: operation.Operation{
		Name: "taint-node", Summary: "Keep pods that do not tolerate it off a node, by a taint of Tocsin's own",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoReversible,
		Arguments: properties("node", nameSchema, "key", labelKeySchema, "value?", labelValueSchema, "effect", taintEffects), Result: noResult,
	},
	blind:   true,
	parse:   parseTaint,
	summary: taintSummary,
	feel: func(_ context.Context, _ *cluster, r rewrite) (blast, error) {
		return blast{warnings: []string{"pods that are on " + name(r.target) + " stay: drain takes them off"}}, nil
	},
	undo:   undoTaint,
	undone: parseRestoreTaint,
}

var restoreTaint = &rewriting{
	operation: operation.Operation{
		Name: "restore-taint", Summary: "Put a node's taint back to what it was",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("node", nameSchema, "uid", uidSchema, "key", labelKeySchema, "effect", taintEffects,
			"from?", `{"type": "object"}`, "to?", `{"type": "object"}`),
		Result: noResult,
	},
	parse:   parseRestoreTaint,
	summary: taintSummary,
}

type taintArguments struct {
	Node   string `json:"node"`
	Key    string `json:"key"`
	Value  string `json:"value"`
	Effect string `json:"effect"`
}

type restoreTaintArguments struct {
	Node   string         `json:"node"`
	UID    string         `json:"uid"`
	Key    string         `json:"key"`
	Effect string         `json:"effect"`
	From   map[string]any `json:"from,omitempty"`
	To     map[string]any `json:"to,omitempty"`
}

func parseTaint(arguments map[string]any) (rewrite, error) {
	a, err := decode[taintArguments](arguments)
	if err != nil {
		return rewrite{}, err
	}
	// As the API server keeps it: without a value that is empty.
	taint, err := answer(corev1.Taint{Key: a.Key, Value: a.Value, Effect: corev1.TaintEffect(a.Effect)})
	return tainting(a.Node, "", a.Key, a.Effect, nil, taint), err
}

func parseRestoreTaint(arguments map[string]any) (rewrite, error) {
	a, err := decode[restoreTaintArguments](arguments)
	return tainting(a.Node, a.UID, a.Key, a.Effect, a.From, a.To), err
}

// tainting changes the one taint with that key and effect; others come and go meanwhile.
func tainting(node, uid, key, effect string, from, to map[string]any) rewrite {
	f := field{path: []string{"spec", "taints"}, element: map[string]any{"key": key, "effect": effect}}
	// A nil map would be a value that is not nil.
	if from != nil {
		f.from = from
	}
	if to != nil {
		f.to = to
	}
	return rewrite{target: object{Kind: "Node", Name: node, UID: uid}.target(), fields: []field{f}}
}

func undoTaint(r rewrite) (*connectors.Inverse, error) {
	f := r.fields[0]
	a := restoreTaintArguments{Node: r.target.Name, UID: r.target.UID}
	a.Key, _ = f.element["key"].(string)
	a.Effect, _ = f.element["effect"].(string)
	a.From, _ = f.to.(map[string]any)
	a.To, _ = f.from.(map[string]any)
	return inverse(restoreTaint.operation.Name, a)
}

func taintSummary(r rewrite) string {
	f := r.fields[0]
	taint, _ := f.to.(map[string]any)
	if taint == nil {
		return fmt.Sprintf("take the taint %s:%s off node %s", f.element["key"], f.element["effect"], r.target.Name)
	}
	value, _ := taint["value"].(string)
	return fmt.Sprintf("taint node %s with %s=%s:%s", r.target.Name, taint["key"], value, taint["effect"])
}
