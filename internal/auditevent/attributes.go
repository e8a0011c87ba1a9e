package auditevent

import (
	"net/url"
	"strconv"
	"strings"
)

// maxAttribute is how many bytes the value of an attribute has at most.
const maxAttribute = 1024

// Attributes are details of the event by name, for people and for questions. The
// client chose many of them.
func (e Event) Attributes() map[string]string {
	all := map[string]string{
		"verb": e.Verb, "resource": e.Object.Path(), "apiGroup": e.Object.APIGroup,
		"namespace": e.Object.Namespace, "name": e.Object.Name,
		"user": e.User.Name, "impersonatedUser": e.Impersonated.Name,
		"userAgent": e.UserAgent, "requestURI": e.URI, "forwardedFor": strings.Join(e.Forwarded, ","),
		"auditID": e.ID, "level": e.Level, "command": e.command(),
	}
	if e.Code != 0 {
		all["code"] = strconv.Itoa(e.Code)
	}
	if e.DryRun {
		all["dryRun"] = "true"
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
			continue
		}
		all[name] = Bounded(value, maxAttribute)
	}
	return all
}

// command that a session in a pod runs. What cannot be read is told as it is.
func (e Event) command() string {
	if path := e.Object.Path(); path != "pods/exec" && path != "pods/attach" {
		return ""
	}
	asked, err := url.Parse(e.URI)
	if err != nil {
		return e.URI
	}
	return strings.Join(asked.Query()["command"], " ")
}
