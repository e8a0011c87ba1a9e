package auditevent

import (
	"maps"
	"slices"
)

// View is an event as rules see it: the raw event, in which these fields always
// exist with their type, so that a rule need not ask for each first:
//
//	verb, stage, level, requestURI, userAgent  string
//	user.username, user.groups, user.extra     string, list, map
//	objectRef.{resource,subresource,namespace,name,apiGroup}  string
//	responseStatus.code                        number, 0 if unknown
//	requestObject, responseObject, annotations map
//	sourceIPs                                  list
//
// impersonatedUser stays absent where nobody was impersonated. View adds:
//
//	requestPatch    list: the operations of a JSON patch, which is no map
//	object          map: the object as stored, or else as sent
//	asked           map: what the request asks for; of a JSON patch, what its operations set
//	podSpec         map: the pod spec that the request asks for, in pods and every template of pods
//	containers      list of maps: containers of all three kinds in podSpec
//	serviceAccount  string: namespace/name of the user, if it is a ServiceAccount
//	dryRun          bool: the request changes nothing
//	byControlPlane  bool: see Event.ByControlPlane
//
// Fields are made when they are asked for: most events are left after a look at
// one or two. The raw event is not changed. A View is not safe for concurrent use.
type View struct {
	raw   map[string]any
	event Event
	made  map[string]any
}

// NewView returns the view of a raw event that was read.
func NewView(raw map[string]any, e Event) *View {
	return &View{raw: raw, event: e, made: make(map[string]any, 8)}
}

// Field returns a field, and whether it exists.
func (v *View) Field(name string) (any, bool) {
	if value, ok := v.made[name]; ok {
		return value, true
	}
	makeField, ok := fields[name]
	if !ok {
		value, ok := v.raw[name]
		return value, ok
	}
	value := makeField(v)
	if value == nil {
		return nil, false
	}
	v.made[name] = value
	return value, true
}

// All returns every field by name.
func (v *View) All() map[string]any {
	all := maps.Clone(orNone(v.raw))
	for name := range fields {
		if value, ok := v.Field(name); ok {
			all[name] = value
		} else {
			delete(all, name)
		}
	}
	return all
}

// Fields are the names of all fields that a rule may find in an event, sorted.
var Fields []string

// rawFields are those of audit.k8s.io that are left as they are; timestamp and metadata are of v1beta1.
var rawFields = []string{
	"apiVersion", "auditID", "authenticationMetadata", "kind", "metadata", "requestReceivedTimestamp", "stageTimestamp", "timestamp",
}

// fields that are made. One that is nil does not exist.
var fields map[string]func(v *View) any

// init breaks the circle of fields that are made of other fields.
func init() {
	fields = map[string]func(v *View) any{
		"verb":             func(v *View) any { return v.event.Verb },
		"stage":            func(v *View) any { return v.event.Stage },
		"level":            func(v *View) any { return v.event.Level },
		"requestURI":       func(v *View) any { return v.event.URI },
		"userAgent":        func(v *View) any { return v.event.UserAgent },
		"user":             func(v *View) any { return userView(object(v.raw, "user")) },
		"impersonatedUser": (*View).impersonatedUser,
		"objectRef":        func(v *View) any { return refView(v.raw, v.event.Object) },
		"responseStatus":   func(v *View) any { return with(object(v.raw, "responseStatus"), "code", int64(v.event.Code)) },
		"requestObject":    func(v *View) any { return orNone(object(v.raw, "requestObject")) },
		"responseObject":   func(v *View) any { return orNone(object(v.raw, "responseObject")) },
		"requestPatch":     func(v *View) any { return orEmpty(list(v.raw, "requestObject")) },
		"annotations":      func(v *View) any { return orNone(object(v.raw, "annotations")) },
		"sourceIPs":        func(v *View) any { return orEmpty(list(v.raw, "sourceIPs")) },
		"serviceAccount":   func(v *View) any { return v.event.User.ServiceAccount() },
		"dryRun":           func(v *View) any { return v.event.DryRun },
		"byControlPlane":   func(v *View) any { return v.event.ByControlPlane() },
		"object":           func(v *View) any { return v.stored() },
		"asked":            func(v *View) any { return v.asked() },
		"podSpec":          func(v *View) any { return podSpec(v.asked(), v.event.Object) },
		"containers":       func(v *View) any { return containers(podSpec(v.asked(), v.event.Object)) },
	}
	Fields = slices.Sorted(maps.Keys(fields))
	Fields = append(Fields, rawFields...)
	slices.Sort(Fields)
}

func (v *View) impersonatedUser() any {
	if impersonated := object(v.raw, "impersonatedUser"); impersonated != nil {
		return userView(impersonated)
	}
	return nil
}

// stored is the object as the API server has it now, or else as it was sent.
func (v *View) stored() map[string]any {
	response := object(v.raw, "responseObject")
	if len(response) > 0 && text(response, "kind") != "Status" {
		return response
	}
	return orNone(object(v.raw, "requestObject"))
}

// asked is what the request asks for: a patch that touches something else does not
// ask for what is already there.
func (v *View) asked() map[string]any {
	if operations := list(v.raw, "requestObject"); len(operations) > 0 {
		set, all := asObject(operations)
		if stored := v.stored(); !all && len(stored) > 0 {
			return stored
		}
		return set
	}
	if request := object(v.raw, "requestObject"); len(request) > 0 {
		return request
	}
	return v.stored()
}

// podSpec finds the pod spec by shape, so that templates of custom resources are found too.
func podSpec(body map[string]any, o Object) map[string]any {
	spec := object(body, "spec")
	for _, template := range []map[string]any{
		object(object(object(object(spec, "jobTemplate"), "spec"), "template"), "spec"),
		object(object(spec, "template"), "spec"),
		object(object(body, "template"), "spec"),
	} {
		if template != nil {
			return template
		}
	}
	if o.Resource == "pods" {
		return orNone(spec)
	}
	return map[string]any{}
}

func containers(spec map[string]any) []any {
	found := []any{}
	for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for _, c := range list(spec, field) {
			if _, ok := c.(map[string]any); ok {
				found = append(found, c)
			}
		}
	}
	return found
}

func userView(user map[string]any) map[string]any {
	v := with(user, "username", text(user, "username"))
	v["groups"] = orEmpty(list(user, "groups"))
	v["extra"] = orNone(object(user, "extra"))
	return v
}

func refView(raw map[string]any, o Object) map[string]any {
	v := with(object(raw, "objectRef"), "resource", o.Resource)
	v["subresource"], v["namespace"], v["name"], v["apiGroup"] = o.Subresource, o.Namespace, o.Name, o.APIGroup
	return v
}

// with is a copy of m in which one field is set.
func with(m map[string]any, field string, value any) map[string]any {
	c := make(map[string]any, len(m)+4)
	maps.Copy(c, m)
	c[field] = value
	return c
}

func orEmpty(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}

func orNone(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
