package memory

import (
	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// operations. What is counted, timed and compared here comes from the API server's
// audit log, from Tocsin's own objects or from the Analyst. Names that an actor
// chose, and rules whose names a sender wrote, are untrusted.
var operations = operation.MustCompile(
	operation.Operation{
		Name: "related-events", Mode: v1alpha1.OperationRead,
		Summary: "what else happened to these entities since a time, an hour ago by default",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["entities"],
			"properties": {
				"entities": {"type": "array", "maxItems": 64, "items": {"type": "string"}, "description": "keys such as ServiceAccount:shop/web"},
				"since": {"type": "string", "description": "RFC 3339"}
			}}`,
		Result: `{
			"type": "object", "additionalProperties": false, "required": ["count", "denied", "alerts", "rules", "verbs", "events"],
			"properties": {
				"count": {"type": "integer", "description": "audit events"},
				"denied": {"type": "integer", "description": "audit events refused with 401 or 403"},
				"alerts": {"type": "integer"},
				"rules": {"type": "array", "items": {"type": "string"}, "description": "of the alerts, each once"},
				"verbs": {"type": "array", "items": {"type": "string"}, "description": "of the audit events, each once"},
				"events": {"type": "array", "maxItems": 20, "description": "the latest, newest first", "items": {
					"type": "object", "additionalProperties": false,
					"required": ["at", "actor", "verb", "resource", "namespace", "name", "code", "rule"],
					"properties": {
						"at": {"type": "string"}, "actor": {"type": "string"}, "verb": {"type": "string"}, "resource": {"type": "string"},
						"namespace": {"type": "string"}, "name": {"type": "string"}, "code": {"type": "integer"},
						"rule": {"type": "string", "description": "of an alert; empty for an audit event"}
					}}}
			}}`,
		Untrusted: []string{"events", "rules"},
	},
	operation.Operation{
		Name: "novelty", Mode: v1alpha1.OperationRead,
		Summary: "whether the actor did this before a time; refused requests do not count",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["actor", "verb", "resource", "before"],
			"properties": {
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web"},
				"verb": {"type": "string"},
				"resource": {"type": "string", "description": "plural, with its subresource, such as pods/exec"},
				"namespace": {"type": "string", "description": "of the resource; empty for cluster scope"},
				"before": {"type": "string", "description": "time of the alert, RFC 3339"}
			}}`,
		Result: `{
			"type": "object", "additionalProperties": false,
			"required": ["seenBefore", "count", "hours", "firstSeen", "baselineHours", "actorSeenBefore", "actorFirstSeen", "addressKnown"],
			"properties": {
				"seenBefore": {"type": "boolean"},
				"count": {"type": "integer", "description": "how often, in the hours before that of the time asked for"},
				"hours": {"type": "integer", "description": "in how many different hours"},
				"firstSeen": {"type": "string", "description": "RFC 3339, or empty"},
				"baselineHours": {"type": "number", "description": "how far memory reaches back"},
				"actorSeenBefore": {"type": "boolean", "description": "whether the actor did anything before"},
				"actorFirstSeen": {"type": "string", "description": "RFC 3339, or empty"},
				"addressKnown": {"type": "boolean", "description": "whether the actor had come from the same address before"}
			}}`,
	},
	operation.Operation{
		Name: "rule-history", Mode: v1alpha1.OperationRead,
		Summary: "how often the rule fired in this namespace and how its cases were graded",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["rule"],
			"properties": {
				"rule": {"type": "string"},
				"case": {"type": "string", "description": "that asks, such as alert.case: its own grade is left out"}
			}}`,
		Result: `{
			"type": "object", "additionalProperties": false,
			"required": ["fired", "graded", "truePositives", "benignPositives", "falsePositives", "effectiveGraded", "effectiveTruePositives", "lastFired"],
			"properties": {
				"fired": {"type": "integer", "description": "alerts, this one included"},
				"graded": {"type": "integer", "description": "cases with a verdict other than Undetermined"},
				"truePositives": {"type": "integer"}, "benignPositives": {"type": "integer"}, "falsePositives": {"type": "integer"},
				"effectiveGraded": {"type": "number", "description": "graded, each case half as much for every 90 days since it was opened; in tenths"},
				"effectiveTruePositives": {"type": "number", "description": "the same of truePositives"},
				"lastFired": {"type": "string", "description": "RFC 3339, or empty"}
			}}`,
	},
	operation.Operation{
		Name: "automation", Mode: v1alpha1.OperationRead,
		Summary: "whether the Analyst declares the actor as automation that is expected to change the namespace",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["actor"],
			"properties": {
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web"},
				"namespace": {"type": "string", "description": "that was changed; empty for cluster scope"}
			}}`,
		Result: `{
			"type": "object", "additionalProperties": false, "required": ["declared", "expectedNamespace", "reason"],
			"properties": {
				"declared": {"type": "boolean"}, "expectedNamespace": {"type": "boolean"},
				"reason": {"type": "string", "description": "as the Analyst states it, or empty"}
			}}`,
	},
	operation.Operation{
		Name: "rollout", Mode: v1alpha1.OperationRead,
		Summary: "which workloads of the namespace the same actor changed within ten minutes of a time",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["actor", "namespace", "at"],
			"properties": {
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web"},
				"namespace": {"type": "string"},
				"at": {"type": "string", "description": "RFC 3339"}
			}}`,
		Result: `{
			"type": "object", "additionalProperties": false, "required": ["found", "workloads", "alsoSteady"],
			"properties": {
				"found": {"type": "boolean", "description": "the API server accepted such changes"},
				"workloads": {"type": "array", "maxItems": 16, "items": {"type": "string"}, "description": "as Kind/name"},
				"alsoSteady": {"type": "boolean", "description": "found, and the actor had changed workloads of the namespace earlier, too"}
			}}`,
		Untrusted: []string{"workloads"},
	},
)
