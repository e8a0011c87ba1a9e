package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// labelKeySchema admits Tocsin's own labels only.
const labelKeySchema = `{"type": "string", "pattern": "^soc\\.tocsin\\.dev/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"}`

// reservedLabels mean something to Tocsin itself: quarantine would isolate a pod or
// let it go, criticality would change what policies decide.
const reservedLabels = `{"` + v1alpha1.LabelQuarantine + `": false, "` + v1alpha1.LabelCriticality + `": false, "` + v1alpha1.LabelInvestigation + `": false}`

const labelValueSchema = `{"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"}`

const labelledKinds = `{"enum": ["Pod", "Namespace", "Node", "ServiceAccount", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"]}`

var labelScope = scoped("Namespace", "Node")

var label = &rewriting{
	operation: operation.Operation{
		Name: "label", Summary: "Set labels of Tocsin's own on an object",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskLow, Undo: v1alpha1.UndoReversible,
		Arguments: "{" + members("kind", labelledKinds, "namespace?", namespaceSchema, "name", nameSchema,
			"labels", `{"type": "object", "minProperties": 1, "maxProperties": 16, "propertyNames": `+labelKeySchema+
				`, "properties": `+reservedLabels+`, "additionalProperties": `+labelValueSchema+`}`) + "," + labelScope + "}",
		Result: noResult,
	},
	blind:   true,
	parse:   parseLabel,
	summary: labelSummary,
	undo:    undoLabel,
	undone:  parseRestoreLabels,
}

var restoreLabels = &rewriting{
	operation: operation.Operation{
		Name: "restore-labels", Summary: "Put labels back to what they were",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskLow, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: "{" + members("kind", labelledKinds, "namespace?", namespaceSchema, "name", nameSchema, "uid", uidSchema,
			"labels", `{"type": "array", "minItems": 1, "maxItems": 16, "items": `+
				properties("key", labelKeySchema, "from?", labelValueSchema, "to?", labelValueSchema)+`}`) + "," + labelScope + "}",
		Result: noResult,
	},
	parse:   parseRestoreLabels,
	summary: labelSummary,
}

// labelChange is one label; nil stands for absent.
type labelChange struct {
	Key  string  `json:"key"`
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}

type restoreLabelsArguments struct {
	object
	Labels []labelChange `json:"labels"`
}

func parseLabel(arguments map[string]any) (rewrite, error) {
	a, err := decode[struct {
		object
		Labels map[string]string `json:"labels"`
	}](arguments)
	r := rewrite{target: a.target()}
	for _, key := range slices.Sorted(maps.Keys(a.Labels)) {
		r.fields = append(r.fields, field{path: labelPath(key), to: a.Labels[key]})
	}
	return r, err
}

func parseRestoreLabels(arguments map[string]any) (rewrite, error) {
	a, err := decode[restoreLabelsArguments](arguments)
	r := rewrite{target: a.target()}
	for _, l := range a.Labels {
		r.fields = append(r.fields, field{path: labelPath(l.Key), from: optional(l.From), to: optional(l.To)})
	}
	return r, err
}

func undoLabel(r rewrite) (*connectors.Inverse, error) {
	a := restoreLabelsArguments{object: object{Kind: r.target.Kind, Namespace: r.target.Namespace, Name: r.target.Name, UID: r.target.UID}}
	for _, f := range r.swapped().fields {
		a.Labels = append(a.Labels, labelChange{Key: f.path[len(f.path)-1], From: pointer(f.from), To: pointer(f.to)})
	}
	return inverse(restoreLabels.operation.Name, a)
}

func labelSummary(r rewrite) string {
	changes := make([]string, 0, len(r.fields))
	for _, f := range r.fields {
		key := strings.TrimPrefix(f.path[len(f.path)-1], v1alpha1.Group+"/")
		if f.to == nil {
			changes = append(changes, "no "+key)
		} else {
			changes = append(changes, fmt.Sprintf("%s=%s", key, f.to))
		}
	}
	return fmt.Sprintf("label %s %s", name(r.target), strings.Join(changes, ", "))
}

func labelPath(key string) []string { return []string{"metadata", "labels", key} }

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
