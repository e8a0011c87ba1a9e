package auditevent

import "maps"

// View is the event as rules see it: the raw event, in which these fields always
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
//	podSpec         map: the pod spec that the request asks for, in pods and every template of pods
//	containers      list of maps: containers of all three kinds in podSpec
//	serviceAccount  string: namespace/name of the user, if it is a ServiceAccount
//	dryRun          bool: the request changes nothing
//	byControlPlane  bool: see Event.ByControlPlane
//
// The raw event is not changed.
func View(raw map[string]any, e Event) map[string]any {
	v := make(map[string]any, len(raw)+16)
	maps.Copy(v, raw)
	v["verb"], v["stage"], v["level"] = e.Verb, e.Stage, e.Level
	v["requestURI"], v["userAgent"] = e.URI, e.UserAgent
	v["user"] = userView(object(raw, "user"))
	v["objectRef"] = refView(raw, e.Object)
	v["responseStatus"] = with(object(raw, "responseStatus"), "code", int64(e.Code))
	v["sourceIPs"] = orEmpty(list(raw, "sourceIPs"))
	v["annotations"] = orNone(object(raw, "annotations"))
	if impersonated := object(raw, "impersonatedUser"); impersonated != nil {
		v["impersonatedUser"] = userView(impersonated)
	} else {
		delete(v, "impersonatedUser")
	}
	v["serviceAccount"], v["dryRun"], v["byControlPlane"] = e.User.ServiceAccount(), e.DryRun, e.ByControlPlane()
	addBodies(v, raw, e)
	return v
}

func addBodies(v, raw map[string]any, e Event) {
	request, response := orNone(object(raw, "requestObject")), orNone(object(raw, "responseObject"))
	v["requestObject"], v["responseObject"] = request, response
	v["requestPatch"] = orEmpty(list(raw, "requestObject"))
	stored := request
	if len(response) > 0 && text(response, "kind") != "Status" {
		stored = response
	}
	v["object"] = stored
	// A patch that touches something else does not ask for what is already there.
	asked := stored
	if len(request) > 0 {
		asked = request
	}
	spec := podSpec(asked, e.Object)
	v["podSpec"] = spec
	v["containers"] = containers(spec)
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
