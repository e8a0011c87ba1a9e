package kubernetes

import (
	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

var cordon = &rewriting{
	operation: operation.Operation{
		Name: "cordon", Summary: "Let no new pods onto a node",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoReversible,
		Arguments: properties("node", nameSchema), Result: noResult,
	},
	blind:   true,
	parse:   func(arguments map[string]any) (rewrite, error) { return parseCordon(arguments, nil, true) },
	summary: func(r rewrite) string { return "cordon node " + r.target.Name },
	undo: func(r rewrite) (*connectors.Inverse, error) {
		return inverse(uncordon.operation.Name, cordonArguments{Node: r.target.Name, UID: r.target.UID})
	},
	undone: parseUncordon,
}

var uncordon = &rewriting{
	operation: operation.Operation{
		Name: "uncordon", Summary: "Let new pods onto a node again",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("node", nameSchema, "uid", uidSchema), Result: noResult,
	},
	parse:   parseUncordon,
	summary: func(r rewrite) string { return "uncordon node " + r.target.Name },
}

type cordonArguments struct {
	Node string `json:"node"`
	UID  string `json:"uid,omitempty"`
}

func parseUncordon(arguments map[string]any) (rewrite, error) {
	return parseCordon(arguments, true, nil)
}

// The API server leaves unschedulable out where it is false, so that absent is what false is.
func parseCordon(arguments map[string]any, from, to any) (rewrite, error) {
	a, err := decode[cordonArguments](arguments)
	return rewrite{
		target: object{Kind: "Node", Name: a.Node, UID: a.UID}.target(),
		fields: []field{{path: []string{"spec", "unschedulable"}, from: from, to: to}},
	}, err
}
