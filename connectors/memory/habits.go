package memory

import (
	"context"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// firingFields are how a habit of a rule is told apart from others.
const firingFields = `
				"source": {"type": "string", "description": "AlertSource of the alert"},
				"rule": {"type": "string"},
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web; of audit events"},
				"namespace": {"type": "string", "description": "that the actor acted in; empty for cluster scope"},
				"pod": {"type": "string", "description": "namespace/name; used where there is no actor and no workload"},
				"workload": {"type": "string", "description": "Kind/namespace/name; used where there is no actor"},
				"image": {"type": "string", "description": "that runs there; tag and digest do not matter"},
				"before": {"type": "string", "description": "time of the alert, RFC 3339"}`

var deedList = `{"type": "array", "maxItems": 16, "items": {"type": "string"}, "description": "as verb resource in namespace, the first first"}`

// habits are the operations about what is usual of an actor or a rule.
var habits = []operation.Operation{
	{
		Name: "recurrence", Mode: v1alpha1.OperationRead,
		Summary: "how often the rule fired before a time about what the actor does in the namespace, or about what runs in the workload",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["source", "rule", "before"],
			"properties": {` + firingFields + `}}`,
		Result: object(with(familiar, map[string]string{
			"anywhere": `{"type": "boolean", "description": "the rule keeps firing about the actor, in whichever namespace, or about the image, in whichever workload"}`,
		})),
	},
	{
		Name: "unfamiliar", Mode: v1alpha1.OperationRead,
		Summary: "which details of the alert are not as they were whenever the rule fired about the same until a day before a time",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["source", "rule", "before", "title", "attributes"],
			"properties": {` + firingFields + `,
				"title": {"type": "string"},
				"entities": {"type": "array", "maxItems": 256, "items": {"type": "object"}, "description": "of the alert, with type and value"},
				"attributes": {"type": "object", "additionalProperties": {"type": "string"}, "description": "of the alert"}
			}}`,
		Result: object(map[string]string{
			"names":  `{"type": "array", "maxItems": 16, "items": {"type": "string"}, "description": "title, or names of attributes"}`,
			"varied": `{"type": "array", "maxItems": 64, "items": {"type": "string"}, "description": "names of those that have a new shape too often to tell anything, or one of a kind that they had before"}`,
			"values": `{"type": "array", "maxItems": 16, "items": {"type": "string"}, "description": "in the same order"}`,
			"near":   `{"type": "array", "maxItems": 16, "items": {"type": "string"}, "description": "names of those that differ from known ones in a word"}`,
			"nearly": `{"type": "array", "maxItems": 16, "items": {"type": "string"}, "description": "their values, in the same order"}`,
		}),
		Untrusted: []string{"names", "values", "near", "nearly", "varied"},
	},
	{
		Name: "origin", Mode: v1alpha1.OperationRead,
		Summary: "how what the actor's requests come with since a time compares with what they came with until a day before it",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["actor", "since"],
			"properties": {
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web"},
				"since": {"type": "string", "description": "time of the alert, RFC 3339"}
			}}`,
		Result: object(map[string]string{
			"asEverHours":   `{"type": "number", "description": "for how long all that it comes with was known"}`,
			"knownHours":    `{"type": "number", "description": "how long before the time the actor was first seen; 0 if it was not, a day before"}`,
			"newAddress":    `{"type": "string", "description": "that the actor never used; empty for none"}`,
			"newNetwork":    `{"type": "string", "description": "the /16 or, of IPv6, the /32 that it never used; empty for none"}`,
			"newClient":     `{"type": "string", "description": "product in the user agent that it never used; empty for none"}`,
			"networks":      `{"type": "integer", "description": "how many it used"}`,
			"clients":       `{"type": "integer", "description": "how many it used"}`,
			"leftPod":       `{"type": "boolean", "description": "its tokens were always bound to pods, and now comes one that is not"}`,
			"otherWorkload": `{"type": "string", "description": "whose pod a token is bound to as never before; empty for none"}`,
			"leftInside":    `{"type": "boolean", "description": "it comes from beyond private networks as never before"}`,
			"outside":       `{"type": "boolean", "description": "it comes from beyond private networks"}`,
			"asEver":        `{"type": "boolean", "description": "nothing of it is new but, perhaps, the address within a network that it used"}`,
			"strange":       `{"type": "boolean", "description": "it comes so differently that nothing usual explains what it does"}`,
			"crowded":       `{"type": "boolean", "description": "so much was seen that what it rarely came with may be forgotten"}`,
		}),
		Untrusted: []string{"newClient", "clients", "otherWorkload"},
	},
	{
		Name: "departures", Mode: v1alpha1.OperationRead,
		Summary: "what the actor did for the first time in the hours around a time",
		Arguments: `{
			"type": "object", "additionalProperties": false, "required": ["actor", "at"],
			"properties": {
				"actor": {"type": "string", "description": "username, such as system:serviceaccount:shop:web"},
				"at": {"type": "string", "description": "time of the alert, RFC 3339"}
			}}`,
		Result: object(map[string]string{
			"knownHours": `{"type": "number", "description": "how long before the time the actor was first seen; 0 if it was not"}`,
			"peak":       `{"type": "integer", "description": "the most that it did for the first time in an hour before, but for its first day"}`,
			"accepted":   `{"type": "integer", "description": "kinds of requests that it made for the first time"}`,
			"elsewhere":  `{"type": "integer", "description": "of the accepted, those that it has made in several other namespaces"}`,
			"refused":    `{"type": "integer", "description": "kinds of requests that it was refused and had never tried"}`,
			"namespaces": `{"type": "integer", "description": "of both, in how many different ones"}`,
			"deeds":      deedList,
			"tries":      deedList,
		}),
		Untrusted: []string{"deeds", "tries"},
	},
}

func firing(arguments map[string]any) activity.Firing {
	return activity.Firing{
		Source: text(arguments, "source"), Rule: text(arguments, "rule"), Actor: text(arguments, "actor"), Namespace: text(arguments, "namespace"),
		Of: subject(arguments), Image: text(arguments, "image"),
	}
}

func recurrence(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	before, err := moment(arguments, "before")
	if err != nil {
		return nil, err
	}
	found, ok := m.activity.Recurrence(m.namespace, firing(arguments), before)
	if !ok {
		return nil, nil
	}
	answer := familiarity(found)
	answer["anywhere"] = m.activity.Anywhere(m.namespace, firing(arguments), before).Usual()
	return answer, nil
}

func unfamiliar(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	before, err := moment(arguments, "before")
	if err != nil {
		return nil, err
	}
	alert := v1alpha1.AlertSpec{Title: text(arguments, "title"), Attributes: map[string]string{}}
	given, _ := arguments["attributes"].(map[string]any)
	for name := range given {
		alert.Attributes[name] = text(given, name)
	}
	entities, _ := arguments["entities"].([]any)
	for _, item := range entities {
		e, _ := item.(map[string]any)
		alert.Entities = append(alert.Entities, v1alpha1.Entity{Type: v1alpha1.EntityType(text(e, "type")), Value: text(e, "value")})
	}
	found := m.activity.Unfamiliar(m.namespace, firing(arguments), alert, before)
	names, values := told(found.New)
	near, nearly := told(found.Near)
	return map[string]any{
		"names": orEmpty(names), "values": orEmpty(values), "near": orEmpty(near), "nearly": orEmpty(nearly),
		"varied": orEmpty(found.Varied[:min(len(found.Varied), 64)]),
	}, nil
}

func told(details []activity.Unfamiliar) (names, values []string) {
	for _, d := range details {
		names, values = append(names, d.Name), append(values, d.Value)
	}
	return names, values
}

func origin(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	since, err := moment(arguments, "since")
	if err != nil {
		return nil, err
	}
	o := m.activity.Origin(m.namespace, text(arguments, "actor"), since)
	return map[string]any{
		"knownHours": o.Known.Hours(), "asEverHours": o.Age.Hours(), "newAddress": o.NewAddress, "newNetwork": o.NewNetwork, "newClient": o.NewClient,
		"networks": int64(o.Networks), "clients": int64(o.Clients),
		"leftPod": o.LeftPod, "otherWorkload": o.OtherWorkload, "leftInside": o.LeftInside, "outside": o.Outside,
		"asEver": o.AsEver(), "strange": o.Strange(), "crowded": o.Crowded,
	}, nil
}

func departures(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	at, err := moment(arguments, "at")
	if err != nil {
		return nil, err
	}
	d := m.activity.Departures(m.namespace, text(arguments, "actor"), at)
	return map[string]any{
		"knownHours": d.Known.Hours(), "peak": int64(d.Peak), "accepted": int64(len(d.New)), "elsewhere": int64(d.Elsewhere), "refused": int64(len(d.Refused)),
		"namespaces": int64(d.Namespaces()), "deeds": inWords(d.New), "tries": inWords(d.Refused),
	}, nil
}

// inWords are at most 16 deeds.
func inWords(deeds []activity.Deed) []any {
	words := make([]string, 0, len(deeds))
	for _, d := range deeds[:min(len(deeds), 16)] {
		where := " in the cluster"
		if d.Namespace != "" {
			where = " in " + d.Namespace
		}
		words = append(words, d.Verb+" "+d.Resource+where)
	}
	return orEmpty(words)
}
