package analyst

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// actorTypes and objects order what stands for the acting and the other side of an
// alert: the closer to a decision, the better.
var (
	actorTypes = []v1alpha1.EntityType{v1alpha1.EntityServiceAccount, v1alpha1.EntityUser, v1alpha1.EntityPod, v1alpha1.EntityWorkload, v1alpha1.EntityHost, v1alpha1.EntityNode, v1alpha1.EntityIP}
	objects    = []v1alpha1.EntityType{v1alpha1.EntityProcess, v1alpha1.EntityFile, v1alpha1.EntityDomain, v1alpha1.EntityURL, v1alpha1.EntityCloudResource, v1alpha1.EntityNamespace}
)

// step is an edge with what orders it.
type step struct {
	edge   v1alpha1.PathEdge
	at     time.Time
	tactic int
}

// AttackPath draws an edge from who acted to each thing acted on, for every alert,
// ordered by time and, at the same time, by the order of ATT&CK's tactics. A repeated
// step is drawn once, where it happened first.
func AttackPath(alerts []v1alpha1.Alert) []v1alpha1.PathEdge {
	var steps []step
	for _, a := range oldestFirst(alerts) {
		steps = append(steps, stepsOf(a)...)
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.tactic, b.tactic))
	})
	type same struct{ from, to, tactic string }
	drawn := map[same]bool{}
	var path []v1alpha1.PathEdge
	for _, s := range steps {
		key := same{s.edge.From, s.edge.To, s.edge.Tactic}
		if !drawn[key] && len(path) < maxPath {
			drawn[key] = true
			path = append(path, s.edge)
		}
	}
	return path
}

func stepsOf(a v1alpha1.Alert) []step {
	actor := actorOf(a.Spec.Entities)
	if actor == nil {
		return nil
	}
	var targets []v1alpha1.Entity
	for _, e := range a.Spec.Entities {
		if e.Role == v1alpha1.RoleTarget {
			targets = append(targets, e)
		}
	}
	if len(targets) == 0 {
		targets = otherSide(a.Spec.Entities, *actor)
	}
	tactic := Tactic(a.Spec.Techniques)
	steps := make([]step, 0, len(targets))
	for _, to := range targets {
		steps = append(steps, step{
			at: a.Spec.FirstSeen.Time, tactic: slices.Index(tactics, tactic),
			edge: v1alpha1.PathEdge{From: Plain(actor.Key(), 640), To: Plain(to.Key(), 640), Alert: a.Name, Tactic: tactic},
		})
	}
	return steps
}

// actorOf is who acted, nil if nobody is named.
func actorOf(entities []v1alpha1.Entity) *v1alpha1.Entity {
	return pick(entities, actorTypes, func(e v1alpha1.Entity) bool { return e.Role == v1alpha1.RoleActor })
}

// otherSide is the best that an alert without a target tells of what was acted on.
func otherSide(entities []v1alpha1.Entity, actor v1alpha1.Entity) []v1alpha1.Entity {
	found := pick(entities, objects, func(e v1alpha1.Entity) bool { return e.Key() != actor.Key() })
	if found == nil {
		return nil
	}
	return []v1alpha1.Entity{*found}
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
