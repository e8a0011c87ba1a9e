package playbook

import "regexp"

// commands are subresources that people know by what is done with them.
var commands = map[string]string{
	"create pods/exec": "exec into pods", "get pods/exec": "exec into pods",
	"create pods/attach": "attach to pods", "get pods/attach": "attach to pods",
	"create pods/portforward": "open tunnels to pods", "get pods/portforward": "open tunnels to pods",
	"get pods/log": "read logs of pods", "create serviceaccounts/token": "request tokens of serviceaccounts",
}

// deed is what was asked of the API server, as people say it: "create configmaps in namespace shop".
func deed(verb, resource, namespace string) string {
	what, known := commands[verb+" "+resource]
	switch {
	case resource == "":
		return verb + " a path that is no resource"
	case known:
	case verb == "deletecollection":
		what = "delete all " + resource
	default:
		what = verb + " " + resource
	}
	return what + " " + where(namespace)
}

func where(namespace string) string {
	if namespace == "" {
		return "in the cluster"
	}
	return "in namespace " + namespace
}

// named is the name of an object in a namespace, maybe with its kind before it, and nothing that reads as a sentence.
var named = regexp.MustCompile(`^(?:[A-Za-z]+/)?([a-z0-9.-]{1,63}/[a-z0-9.-]{1,253})$`)

// subject is what an alert of a sensor is about, by the workload that it names, or by a pod of it.
func subject(entities map[string]any) string {
	for _, by := range []struct{ field, before string }{{"workload", ""}, {"pod", "the workload of "}} {
		value, _ := entities[by.field].(string)
		if name := named.FindStringSubmatch(value); name != nil {
			return by.before + name[1]
		}
	}
	return "this"
}
