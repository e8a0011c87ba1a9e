package memory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// familiar are the fields that tell how familiar something is. Of processes, destinations
// and images none may lower suspicion. Whoever is reported chose the names, senders of
// alerts wrote them, and what is usual of a name is easily had by taking that name.
var familiar = map[string]string{
	"seenBefore":    `{"type": "boolean"}`,
	"count":         `{"type": "integer", "description": "how often, in the hours before that of the time asked for"}`,
	"hours":         `{"type": "integer", "description": "in how many different hours"}`,
	"firstSeen":     `{"type": "string", "description": "RFC 3339, or empty"}`,
	"knownHours":    `{"type": "number", "description": "how long before the time it was first seen; 0 if it was not"}`,
	"baselineHours": `{"type": "number", "description": "how far memory reaches back"}`,
	"usual":         `{"type": "boolean", "description": "in at least 4 different hours, for the first time two weeks before or more"}`,
	"crowded":       `{"type": "boolean", "description": "so much was seen that what was seen in one hour only may be forgotten"}`,
}

// ofWorkload are those of processes and destinations, which are known of workloads.
var ofWorkload = with(familiar, map[string]string{
	"workload":           `{"type": "string", "description": "namespace/name"}`,
	"guessed":            `{"type": "boolean", "description": "the workload is guessed from the name of the pod"}`,
	"workloadSeenBefore": `{"type": "boolean", "description": "any such name was seen of the workload before"}`,
})

var ofDestination = with(ofWorkload, map[string]string{
	"outside": `{"type": "boolean", "description": "beyond the cluster and private networks"}`,
})

var ofImage = with(familiar, map[string]string{
	"image":              `{"type": "string", "description": "without tag and digest"}`,
	"namespace":          `{"type": "string"}`,
	"registry":           `{"type": "string"}`,
	"registrySeenBefore": `{"type": "boolean"}`,
	"namespaceNew":       `{"type": "boolean", "description": "of the namespace no image was known a day before"}`,
	"registryKnownHours": `{"type": "number", "description": "how long before the time anything of the registry was first seen; 0 if nothing was"}`,
})

func with(fields, more map[string]string) map[string]string {
	all := maps.Clone(fields)
	maps.Copy(all, more)
	return all
}

func names(fields map[string]string) []string { return slices.Sorted(maps.Keys(fields)) }

// object is the schema of an object that has these fields, all of them.
func object(fields map[string]string) string {
	var properties []string
	for _, name := range names(fields) {
		properties = append(properties, fmt.Sprintf("%q: %s", name, fields[name]))
	}
	required := `"` + strings.Join(names(fields), `", "`) + `"`
	return fmt.Sprintf(`{"type": "object", "additionalProperties": false, "required": [%s], "properties": {%s}}`, required, strings.Join(properties, ", "))
}

// aboutWorkload is the schema of the arguments of a question about something in a workload.
func aboutWorkload(name, description string) string {
	return fmt.Sprintf(`{
			"type": "object", "additionalProperties": false, "required": [%[1]q, "before"],
			"properties": {
				%[1]q: {"type": "string", "description": %[2]q},
				"workload": {"type": "string", "description": "Kind/namespace/name"},
				"pod": {"type": "string", "description": "namespace/name; used where there is no workload"},
				"before": {"type": "string", "description": "time of the alert, RFC 3339"}
			}}`, name, description)
}

// operations. What is counted, timed and compared here comes from the API server's
// audit log, from Tocsin's own objects or from the Analyst. Names that an actor
// chose, and rules whose names a sender wrote, are untrusted.
var operations = operation.MustCompile(append(habits,
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
			"type": "object", "additionalProperties": false, "required": ["count", "denied", "alerts", "rules", "unusual", "verbs", "events"],
			"properties": {
				"count": {"type": "integer", "description": "audit events"},
				"denied": {"type": "integer", "description": "different requests refused with 401 or 403, but for what the actor keeps being refused"},
				"alerts": {"type": "integer"},
				"rules": {"type": "array", "items": {"type": "string"}, "description": "of the alerts, each once"},
				"unusual": {"type": "array", "items": {"type": "string"}, "description": "those of them that do not keep firing about the same"},
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
		Untrusted: []string{"events", "rules", "unusual"},
	},
	operation.Operation{
		Name: "novelty", Mode: v1alpha1.OperationRead,
		Summary: "whether the actor did this before a time; of what it is refused, whether it was refused it before",
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
			"required": ["seenBefore", "count", "hours", "firstSeen", "knownHours", "baselineHours", "crowded", "usual", "actorSeenBefore", "actorFirstSeen", "settled", "refused", "elsewhere", "kindred", "deployer"],
			"properties": {
				"seenBefore": {"type": "boolean"},
				"count": {"type": "integer", "description": "how often, in the hours before that of the time asked for"},
				"hours": {"type": "integer", "description": "in how many different hours"},
				"firstSeen": {"type": "string", "description": "RFC 3339, or empty"},
				"knownHours": {"type": "number", "description": "how long before the time it was first seen; 0 if it was not"},
				"baselineHours": {"type": "number", "description": "how far memory reaches back"},
				"crowded": {"type": "boolean", "description": "so much was seen that what was seen in one hour only may be forgotten"},
				"usual": {"type": "boolean", "description": "in at least 4 different hours, for the first time two weeks before or more"},
				"actorSeenBefore": {"type": "boolean", "description": "whether the actor did anything before"},
				"actorFirstSeen": {"type": "string", "description": "RFC 3339, or empty"},
				"settled": {"type": "boolean", "description": "seenBefore, a day before the time or earlier"},
				"refused": {"type": "boolean", "description": "the API server refuses it since the time"},
				"elsewhere": {"type": "boolean", "description": "the actor did the same in several other namespaces, a day before or earlier"},
				"kindred": {"type": "boolean", "description": "the actor did the like, such as with another kind of workload, there or in several other namespaces, a day before or earlier"},
				"deployer": {"type": "boolean", "description": "for weeks the actor has changed what runs in several namespaces"}
			}}`,
	},
	operation.Operation{
		Name: "process-novelty", Mode: v1alpha1.OperationRead,
		Summary:   "whether an alert named the process in the workload before a time",
		Arguments: aboutWorkload("process", "as the alert names it"), Result: object(ofWorkload), Untrusted: names(ofWorkload),
	},
	operation.Operation{
		Name: "destination-novelty", Mode: v1alpha1.OperationRead,
		Summary:   "whether an alert named the address or domain in the workload before a time",
		Arguments: aboutWorkload("destination", "an IP address or a domain"), Result: object(ofDestination), Untrusted: names(ofDestination),
	},
	operation.Operation{
		Name: "image-novelty", Mode: v1alpha1.OperationRead,
		Summary: "whether the namespace used the image, and its registry, before a time: in alerts, pods and workloads",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["image", "namespace", "before"],
			"properties": {
				"image": {"type": "string", "description": "tag and digest do not matter"},
				"namespace": {"type": "string", "description": "of the pod"},
				"before": {"type": "string", "description": "time of the alert, RFC 3339"}
			}}`,
		Result: object(ofImage), Untrusted: names(ofImage),
	},
	operation.Operation{
		Name: "rate", Mode: v1alpha1.OperationRead,
		Summary: "how many requests the actor made within five minutes since a time, and usually makes",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["actor", "at"],
			"properties": {
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web"},
				"at": {"type": "string", "description": "time of the alert, RFC 3339"}
			}}`,
		Result: `{
			"type": "object", "additionalProperties": false,
			"required": ["requests", "denied", "usual", "peak", "peakDenied", "spans"],
			"properties": {
				"requests": {"type": "integer", "description": "in the busiest five minutes from those before the time on"},
				"denied": {"type": "integer", "description": "the same of requests refused with 401 or 403"},
				"usual": {"type": "number", "description": "requests in five minutes in which the actor was active, before"},
				"peak": {"type": "number", "description": "the most; what is long ago counts less"},
				"peakDenied": {"type": "number", "description": "the most refused; what is long ago counts less"},
				"spans": {"type": "number", "description": "on how many active spans of five minutes the comparison rests"}
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
)...)
