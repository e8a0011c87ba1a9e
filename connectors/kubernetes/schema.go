package kubernetes

import "strings"

// Parts of schemas. Names are those that the API server accepts, so that no
// text of an event gets any further.
const (
	nameSchema           = `{"type": "string", "maxLength": 253, "pattern": "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"}`
	namespaceSchema      = `{"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}`
	namespacedNameSchema = `{"type": "string", "maxLength": 317, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"}`
	// RBAC objects may have almost any name, as long as it is a path segment.
	rbacNameSchema = `{"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[^/%]+$", "not": {"enum": [".", ".."]}}`
	uidSchema      = `{"type": "string", "minLength": 1, "maxLength": 64}`
	// userSchema is a user name or group as authenticators make them: any text.
	userSchema = `{"type": "string", "minLength": 1, "maxLength": 512}`

	// noResult: what an action did is told by its Result.
	noResult = `{"type": "object", "additionalProperties": false}`
)

// scoped demands a namespace for every kind but those that live in none.
func scoped(clusterScoped ...string) string {
	return `"if": {"properties": {"kind": {"enum": ["` + strings.Join(clusterScoped, `","`) + `"]}}},
		"then": {"properties": {"namespace": false}},
		"else": {"required": ["namespace"]}`
}

// properties is the schema of an object with these properties, in pairs of name
// and schema, all of them required but those whose name ends in a question mark.
func properties(pairs ...string) string {
	return "{" + members(pairs...) + "}"
}

func members(pairs ...string) string {
	var all, required []string
	for i := 0; i < len(pairs); i += 2 {
		name, optional := strings.CutSuffix(pairs[i], "?")
		all = append(all, `"`+name+`": `+pairs[i+1])
		if !optional {
			required = append(required, `"`+name+`"`)
		}
	}
	return `"type": "object", "additionalProperties": false,
		"properties": {` + strings.Join(all, ", ") + `}, "required": [` + strings.Join(required, ", ") + `]`
}
