package analyst

import (
	"cmp"
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Bounds of an edge.
const (
	maxKey          = 640
	maxWhat         = 256
	maxRepeats      = 8
	maxEdgeEvidence = 16
)

// step is an edge with all alerts that draw it, and what orders it.
type step struct {
	edge             v1alpha1.PathEdge
	alerts           []string
	tactic, severity int
}

// AttackPath draws, for every alert, an edge from who acted to each thing acted on,
// ordered by time and, at the same time, by the order of ATT&CK's tactics. A repeated
// step is one edge, where it happened first, with the alerts and the evidence of all.
// Where there is more than a case can show, the worst is kept.
func AttackPath(alerts []v1alpha1.Alert, evidence []v1alpha1.Evidence) []v1alpha1.PathEdge {
	steps := merged(alerts)
	inOrder := func(a, b step) int {
		return cmp.Or(a.edge.Time.Compare(b.edge.Time.Time), cmp.Compare(a.tactic, b.tactic))
	}
	slices.SortStableFunc(steps, inOrder)
	if len(steps) > maxPath {
		slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(b.severity, a.severity) })
		steps = steps[:maxPath]
		slices.SortStableFunc(steps, inOrder)
	}
	found := counting(evidence)
	var path []v1alpha1.PathEdge
	for _, s := range steps {
		edge := s.edge
		edge.Alert = s.alerts[0]
		if more := s.alerts[1:min(len(s.alerts), 1+maxRepeats)]; len(more) > 0 {
			edge.Repeats = more
		}
		for _, name := range s.alerts {
			edge.Evidence = append(edge.Evidence, found[name]...)
		}
		edge.Evidence = edge.Evidence[:min(len(edge.Evidence), maxEdgeEvidence)]
		path = append(path, edge)
	}
	return path
}

// merged are the steps of all alerts, each once.
func merged(alerts []v1alpha1.Alert) []step {
	type same struct{ from, to, tactic string }
	var steps []step
	known := map[same]int{}
	for _, a := range oldestFirst(alerts) {
		for _, s := range stepsOf(a) {
			key := same{s.edge.From, s.edge.To, s.edge.Tactic}
			at, drawn := known[key]
			if !drawn {
				known[key] = len(steps)
				steps = append(steps, s)
				continue
			}
			steps[at].severity = max(steps[at].severity, s.severity)
			if names := steps[at].alerts; names[len(names)-1] != a.Name {
				steps[at].alerts = append(names, a.Name)
			}
		}
	}
	return steps
}

// counting are the ids of the evidence that counts, by the alert it is about.
func counting(evidence []v1alpha1.Evidence) map[string][]string {
	ids := map[string][]string{}
	for _, e := range evidence {
		if e.Weight != 0 {
			ids[e.Alert] = append(ids[e.Alert], e.ID)
		}
	}
	return ids
}

func stepsOf(a v1alpha1.Alert) []step {
	var steps []step
	draw := func(from, to v1alpha1.Entity, tactic, what string) {
		steps = append(steps, step{
			alerts: []string{a.Name}, tactic: slices.Index(tactics, tactic), severity: a.Spec.Severity.Rank(),
			edge: v1alpha1.PathEdge{
				From: Plain(from.Key(), maxKey), To: Plain(to.Key(), maxKey), Time: a.Spec.FirstSeen, Tactic: tactic, What: what,
			},
		})
	}
	pod, account := actingPod(a.Spec.Entities)
	if pod != nil {
		draw(*pod, *account, "", "its token was used")
	}
	from, targets := sides(a.Spec)
	for _, to := range targets {
		actor := to // nobody is named: it happened to this
		if from != nil {
			actor = *from
		}
		draw(actor, to, Tactic(a.Spec.Techniques), cmp.Or(Plain(a.Spec.Title, maxWhat), Plain(a.Spec.Rule, maxWhat)))
	}
	return steps
}

// actingPod is the pod whose token acted, and the ServiceAccount that it acted as.
func actingPod(entities []v1alpha1.Entity) (pod, account *v1alpha1.Entity) {
	pod = pick(entities, []v1alpha1.EntityType{v1alpha1.EntityPod}, isActor)
	account = pick(entities, []v1alpha1.EntityType{v1alpha1.EntityServiceAccount}, isActor)
	if pod == nil || account == nil {
		return nil, nil
	}
	return pod, account
}

// sides are who acted, nil if nobody is named, and what was acted on: if nothing is
// named, the actor itself.
func sides(spec v1alpha1.AlertSpec) (actor *v1alpha1.Entity, targets []v1alpha1.Entity) {
	actor = actorOf(spec.Entities)
	for _, e := range spec.Entities {
		if e.Role == v1alpha1.RoleTarget {
			targets = append(targets, e)
		}
	}
	if len(targets) > 0 || actor == nil {
		return actor, targets
	}
	if all := listed(spec.Attributes); all != nil {
		return actor, []v1alpha1.Entity{*all}
	}
	if other := otherSide(spec.Entities, *actor); other != nil {
		return actor, []v1alpha1.Entity{*other}
	}
	return actor, []v1alpha1.Entity{*actor}
}

// listed is what a request is about that names no object, such as a list: all objects
// of a resource, in a namespace or in all of them.
func listed(attributes map[string]string) *v1alpha1.Entity {
	resource := attributes["resource"]
	if resource == "" || attributes["name"] != "" {
		return nil
	}
	if group := attributes["apiGroup"]; group != "" {
		resource += "." + group
	}
	return &v1alpha1.Entity{
		Type: v1alpha1.EntityKubernetesObject, Role: v1alpha1.RoleTarget, Value: resource + "/" + cmp.Or(attributes["namespace"], "*") + "/*",
	}
}

// actorTypes and objects order what stands for the acting and the other side of an
// alert: the closer to a decision, the better.
var (
	actorTypes = []v1alpha1.EntityType{v1alpha1.EntityServiceAccount, v1alpha1.EntityUser, v1alpha1.EntityPod, v1alpha1.EntityWorkload, v1alpha1.EntityHost, v1alpha1.EntityNode, v1alpha1.EntityIP}
	objects    = []v1alpha1.EntityType{v1alpha1.EntityProcess, v1alpha1.EntityFile, v1alpha1.EntityDomain, v1alpha1.EntityURL, v1alpha1.EntityCloudResource, v1alpha1.EntityNamespace}
)

func isActor(e v1alpha1.Entity) bool { return e.Role == v1alpha1.RoleActor }

// actorOf is who acted, nil if nobody is named.
func actorOf(entities []v1alpha1.Entity) *v1alpha1.Entity { return pick(entities, actorTypes, isActor) }

// otherSide is the best that an alert without a target tells of what was acted on.
func otherSide(entities []v1alpha1.Entity, actor v1alpha1.Entity) *v1alpha1.Entity {
	return pick(entities, objects, func(e v1alpha1.Entity) bool { return e.Key() != actor.Key() })
}

func pick(entities []v1alpha1.Entity, order []v1alpha1.EntityType, fits func(v1alpha1.Entity) bool) *v1alpha1.Entity {
	for _, t := range order {
		for i := range entities {
			if entities[i].Type == t && fits(entities[i]) {
				return &entities[i]
			}
		}
	}
	return nil
}
