package kubernetes

import (
	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// reservedAnnotations mean something to Tocsin itself: stop is the stop switch, joins
// merges cases, and the others tell which action did what.
const reservedAnnotations = `{"` + v1alpha1.AnnotationStop + `": false, "` + v1alpha1.AnnotationJoins + `": false, "` +
	annotationKey + `": false, "` + annotationRestart + `": false, "` + annotationRollback + `": false}`

const annotationValueSchema = `{"type": "string", "maxLength": 1024, "pattern": "^[^\\x00-\\x1f\\x7f]*$"}`

var annotationMarking = marking{verb: "annotate", member: "annotations", restore: "restore-annotations"}

var annotate = &rewriting{
	operation: operation.Operation{
		Name: "annotate", Summary: "Set annotations of Tocsin's own on an object",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskLow, Undo: v1alpha1.UndoReversible,
		Arguments: "{" + members("kind", labelledKinds, "namespace?", namespaceSchema, "name", nameSchema,
			"annotations", `{"type": "object", "minProperties": 1, "maxProperties": 16, "propertyNames": `+labelKeySchema+
				`, "properties": `+reservedAnnotations+`, "additionalProperties": `+annotationValueSchema+`}`) + "," + labelScope + "}",
		Result: noResult,
	},
	blind:   true,
	parse:   annotationMarking.parse,
	summary: annotationMarking.summary,
	undo:    annotationMarking.undo,
	undone:  annotationMarking.parseRestore,
}

var restoreAnnotations = &rewriting{
	operation: operation.Operation{
		Name: "restore-annotations", Summary: "Put annotations back to what they were",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskLow, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		// What was there before may have been of any form.
		Arguments: "{" + members("kind", labelledKinds, "namespace?", namespaceSchema, "name", nameSchema, "uid", uidSchema,
			"annotations", `{"type": "array", "minItems": 1, "maxItems": 16, "items": `+
				properties("key", labelKeySchema, "from?", `{"type": "string"}`, "to?", `{"type": "string"}`)+`}`) + "," + labelScope + "}",
		Result: noResult,
	},
	parse:   annotationMarking.parseRestore,
	summary: annotationMarking.summary,
}
