package analyst

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxBeside is how many requests are told of that no alert is about.
const maxBeside = 12

// Beside tells in lines what else the actors of a case did, from answers of the operation
// "related-events": requests that change, carry off or were refused, and that are not
// those of the alerts. Names in them are whatever an attacker likes.
func Beside(answers []map[string]any, alerts []v1alpha1.Alert) []string {
	told, actors := map[string]bool{}, map[string]bool{}
	for _, a := range alerts {
		actors[a.Spec.Attributes["user"]] = true
		told[deed(a.Spec.Attributes["user"], a.Spec.Attributes["verb"], a.Spec.Attributes["resource"], a.Spec.Attributes["namespace"], a.Spec.Attributes["name"])] = true
	}
	type line struct {
		at, until string
		words     string
		times     int
	}
	var lines []*line
	known := map[string]*line{}
	for _, answer := range answers {
		for _, e := range items[map[string]any](answer["events"]) {
			text := func(name string) string { s, _ := e[name].(string); return s }
			key := deed(text("actor"), text("verb"), text("resource"), text("namespace"), text("name"))
			if text("rule") != "" || !actors[text("actor")] || told[key] || !worthTelling(text("verb"), text("resource"), count(e["code"])) {
				continue
			}
			key += fmt.Sprint(count(e["code"]))
			if l := known[key]; l != nil {
				l.times++
				l.at, l.until = min(l.at, text("at")), max(l.until, text("at"))
				continue
			}
			known[key] = &line{at: text("at"), until: text("at"), words: inWords(text, count(e["code"])), times: 1}
			lines = append(lines, known[key])
		}
	}
	slices.SortStableFunc(lines, func(a, b *line) int { return strings.Compare(a.at, b.at) })
	var found []string
	for _, l := range lines {
		words := l.words
		if at, err := time.Parse(time.RFC3339Nano, l.at); err == nil {
			words = at.UTC().Format(time.TimeOnly) + " " + words
		}
		if l.times > 1 {
			words += fmt.Sprintf(", %d times", l.times)
			if until, err := time.Parse(time.RFC3339Nano, l.until); err == nil && l.until != l.at {
				words += " until " + until.UTC().Format(time.TimeOnly)
			}
		}
		found = append(found, words+".")
	}
	if len(found) > maxBeside {
		found = append(found[:maxBeside], fmt.Sprintf("%d more.", len(found)-maxBeside))
	}
	return found
}

func deed(parts ...string) string { return strings.Join(parts, "\x00") }

// worthTelling leaves out reading, but of Secrets, and of what runs in a pod.
func worthTelling(verb, resource string, code int32) bool {
	if code >= 400 && code != 404 && code != 409 {
		return true
	}
	switch verb {
	case "get", "list", "watch":
		return resource == "secrets" || strings.HasPrefix(resource, "pods/")
	}
	return code < 400
}

// past tense of what people do with objects.
var past = map[string]string{
	"get": "read", "list": "listed", "watch": "watched", "create": "created", "update": "changed", "patch": "changed",
	"delete": "deleted", "deletecollection": "deleted all", "bind": "bound", "escalate": "escalated", "impersonate": "impersonated",
}

func inWords(text func(string) string, code int32) string {
	verb, ok := past[text("verb")]
	if !ok {
		verb = "did " + Plain(text("verb"), 32) + " on"
	}
	what := Plain(text("resource"), 64)
	if name := text("name"); name != "" {
		what += " " + quote(name, 128)
	}
	switch namespace := text("namespace"); namespace {
	case "":
		what += " in the whole cluster"
	default:
		what += " of namespace " + Plain(namespace, 64)
	}
	words := Plain(text("actor"), 128) + " " + verb + " " + what
	if code >= 400 {
		words += fmt.Sprintf(", and was refused (%d)", code)
	}
	return words
}
