package kubernetes

import (
	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// labelKeySchema admits Tocsin's own labels only.
const labelKeySchema = `{"type": "string", "pattern": "^soc\\.tocsin\\.dev/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"}`

// reservedLabels mean something to Tocsin itself: quarantine would isolate a pod or
// let it go, criticality would change what policies decide.
const reservedLabels = `{"` + v1alpha1.LabelQuarantine + `": false, "` + v1alpha1.LabelCriticality + `": false, "` + v1alpha1.LabelInvestigation + `": false}`

const labelValueSchema = `{"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"}`

const labelledKinds = `{"enum": ["Pod", "Namespace", "Node", "ServiceAccount", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"]}`

var labelMarking = marking{verb: "label", member: "labels", restore: "restore-labels"}

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
	parse:   labelMarking.parse,
	summary: labelMarking.summary,
	undo:    labelMarking.undo,
	undone:  labelMarking.parseRestore,
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
	parse:   labelMarking.parseRestore,
	summary: labelMarking.summary,
}

func labelPath(key string) []string { return []string{"metadata", "labels", key} }
