package playbook

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
)

// Alert is an alert as CEL sees it:
//
//	name, rule, title, severity, source, case: string; techniques: list of strings
//	count: int; firstSeen: RFC 3339 string; attributes: map of strings
//	entities: the first entity of each type by field name (Actor before Target
//	  before Related), such as entities.pod == "shop/web-0"
//	actors, targets: the same, of that role only
//	all: list of {type, value, role}
//	actor, verb, resource, namespace: who the API server authenticated and what it
//	  did where ("" for all namespaces or none); only in alerts of Kubernetes audit events
//	who: the actor as people write it, such as shop/web for a ServiceAccount
//	deed: what it did, for sentences: "create configmaps in namespace shop"
//	about: whom the alert is about, for sentences: "shop/web in namespace shop", and of
//	  sensors the workload, maybe by its pod
type Alert map[string]any

// NewAlert returns the variables of an alert that came through a source of that format.
func NewAlert(alert *v1alpha1.Alert, format v1alpha1.AlertFormat) Alert {
	spec := &alert.Spec
	techniques := make([]any, 0, len(spec.Techniques))
	for _, t := range spec.Techniques {
		techniques = append(techniques, string(t))
	}
	all := make([]any, 0, len(spec.Entities))
	for _, e := range spec.Entities {
		all = append(all, map[string]any{"type": string(e.Type), "value": e.Value, "role": string(e.Role)})
	}
	attributes := make(map[string]any, len(spec.Attributes))
	for k, v := range spec.Attributes {
		attributes[k] = v
	}
	actors, targets := firsts(spec.Entities, v1alpha1.RoleActor), firsts(spec.Entities, v1alpha1.RoleTarget)
	entities := firsts(spec.Entities, v1alpha1.RoleRelated, "")
	maps.Copy(entities, targets)
	maps.Copy(entities, actors)
	a := Alert{
		"name": alert.Name, "rule": spec.Rule, "title": spec.Title, "severity": string(spec.Severity), "source": spec.Source,
		"case":       alert.Labels[v1alpha1.LabelInvestigation],
		"techniques": techniques, "count": max(alert.Status.Count, 1), "firstSeen": spec.FirstSeen.UTC().Format(time.RFC3339Nano),
		"attributes": attributes, "entities": entities, "actors": actors, "targets": targets, "all": all,
		"about": subject(entities),
	}
	if format == v1alpha1.FormatKubernetesAudit {
		a.prove(spec)
	}
	return a
}

// prove sets what the API server vouches for. The names are those that ingest
// gives to what it reads from audit events.
func (a Alert) prove(spec *v1alpha1.AlertSpec) {
	if spec.Attributes["user"] == "" {
		return
	}
	a["actor"], a["namespace"] = spec.Attributes["user"], spec.Attributes["namespace"]
	a["who"] = spec.Attributes["user"]
	if account, ok := strings.CutPrefix(spec.Attributes["user"], "system:serviceaccount:"); ok {
		a["who"] = strings.Replace(account, ":", "/", 1)
	}
	a["verb"], a["resource"] = spec.Attributes["verb"], spec.Attributes["resource"]
	a["deed"] = deed(spec.Attributes["verb"], spec.Attributes["resource"], spec.Attributes["namespace"])
	a["about"] = fmt.Sprintf("%s %s", a["who"], where(spec.Attributes["namespace"]))
}

// firsts returns the first entity of each type that has one of the roles.
func firsts(entities []v1alpha1.Entity, roles ...v1alpha1.EntityRole) map[string]any {
	first := map[string]any{}
	for _, e := range entities {
		if !slices.Contains(roles, e.Role) || e.Type == "" {
			continue
		}
		if _, taken := first[e.Type.Field()]; !taken {
			first[e.Type.Field()] = e.Value
		}
	}
	return first
}

func (a Alert) name() string {
	name, _ := a["name"].(string)
	return name
}

// has says whether a dotted path leads to something in the alert.
func (a Alert) has(path string) bool {
	var at any = map[string]any(a)
	for path != "" {
		m, ok := at.(map[string]any)
		if !ok {
			return true // below a value CEL decides
		}
		var name string
		name, path, _ = strings.Cut(path, ".")
		if at, ok = m[name]; !ok {
			return false
		}
	}
	return true
}

// Case is a case as CEL sees it:
//
//	alerts: int; rules, techniques, tactics, actors: lists of strings without repeats
//
// tactics are those of ATT&CK, one for each alert; actors are keys such as
// ServiceAccount:shop/web.
type Case map[string]any

// NewCase returns the variables of the case that holds these alerts.
func NewCase(alerts []v1alpha1.AlertSpec) Case {
	var rules, techniques, tactics, actors []string
	for _, a := range alerts {
		rules = append(rules, a.Rule)
		for _, t := range a.Techniques {
			techniques = append(techniques, string(t))
		}
		if tactic := analyst.Tactic(a.Techniques); tactic != "" {
			tactics = append(tactics, tactic)
		}
		for _, e := range a.Entities {
			if e.Role == v1alpha1.RoleActor {
				actors = append(actors, e.Key())
			}
		}
	}
	return Case{
		"alerts": int64(len(alerts)), "rules": set(rules), "techniques": set(techniques), "tactics": set(tactics), "actors": set(actors),
	}
}

func set(values []string) []any {
	slices.Sort(values)
	values = slices.Compact(values)
	list := make([]any, 0, len(values))
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

// Answers are the answers to the questions that one playbook asked of one alert, by question id.
type Answers map[string]map[string]any

// Context is what conditions about answers and actions see.
type Context struct {
	Alert   Alert
	Case    Case
	Answers Answers
	// Verdict and Probability (0 to 1) are for actions only.
	Verdict     v1alpha1.Verdict
	Probability float64
}

func (c Context) vars() map[string]any {
	answers := make(map[string]any, len(c.Answers))
	for id, answer := range c.Answers {
		if answer != nil {
			answers[id] = answer
		}
	}
	return map[string]any{
		"alert": map[string]any(c.Alert), "case": map[string]any(c.Case), "answers": answers,
		"verdict": string(c.Verdict), "probability": c.Probability,
	}
}
