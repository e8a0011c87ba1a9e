package activity

import (
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// MaxBriefs is how many events a Summary holds at most.
const MaxBriefs = 20

// Summary of what happened to entities.
type Summary struct {
	// Count of audit events, and Denied of the different requests that were refused with 401
	// or 403, but for what the actor keeps being refused.
	Count, Denied int
	// Alerts counts alerts, and Rules are their distinct rules, sorted. Unusual are the
	// rules that do not keep firing about the same.
	Alerts         int
	Rules, Unusual []string
	// Verbs are the distinct verbs of the audit events, sorted.
	Verbs []string
	// Events are the latest, newest first.
	Events []Brief
}

// Related sums up what was remembered since a moment of entities by their keys
// (Entity.Key). What several entities share counts once.
func (m *Memory) Related(namespace string, keys []string, since time.Time) Summary {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return Summary{}
	}
	var s Summary
	refused := map[[5]string]bool{}
	found := t.briefs(keys, since)
	for _, b := range found {
		switch {
		case b.Rule != "":
			s.Alerts++
			s.Rules = append(s.Rules, b.Rule)
			if who, what := b.firing.known(t, since); !t.firings.about(who, what, since).Usual() {
				s.Unusual = append(s.Unusual, b.Rule)
			}
			continue
		case denied(b.Code) && !t.tries.about(bounded(b.Actor), deedOf(b.Verb, b.Resource, b.Namespace), since).Usual():
			refused[[5]string{b.Actor, b.Verb, b.Resource, b.Namespace, b.Name}] = true
		}
		s.Count++
		s.Verbs = append(s.Verbs, b.Verb)
	}
	s.Denied = len(refused)
	s.Rules, s.Unusual, s.Verbs = distinct(s.Rules), distinct(s.Unusual), distinct(s.Verbs)
	slices.SortStableFunc(found, func(a, b entry) int { return b.At.Compare(a.At) })
	for _, b := range found[:min(len(found), MaxBriefs)] {
		s.Events = append(s.Events, b.Brief)
	}
	return s
}

// LastChanged tells who created or changed an object last, as far as it is remembered; empty for
// not known. The resource is in plural with its group, such as playbooks.soc.tocsin.dev.
func (m *Memory) LastChanged(namespace, resource, name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return ""
	}
	object := v1alpha1.Entity{Type: v1alpha1.EntityKubernetesObject, Value: resource + "/" + namespace + "/" + name}
	plural, _, _ := strings.Cut(resource, ".")
	for _, b := range t.briefs([]string{object.Key()}, time.Time{}) {
		if b.Rule == "" && b.Resource == plural && b.Code/100 == 2 && slices.Contains(changing, b.Verb) {
			return b.Actor
		}
	}
	return ""
}

var changing = []string{"create", "update", "patch"}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// briefs returns each event once, newest position first.
func (t *tenant) briefs(keys []string, since time.Time) []entry {
	var all []uint64
	for _, key := range keys {
		if p, ok := t.entities.Peek(key); ok {
			all = append(all, p.latest...)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.Reverse(all)
	var found []entry
	for _, position := range all {
		if b, ok := t.events.at(position); ok && !b.At.Before(since) {
			found = append(found, b)
		}
	}
	return found
}

// Novelty tells how new something was to an actor at a moment. SeenBefore means that
// the API server accepted it before or, of what it refuses since, that it refused it before.
type Novelty struct {
	Familiarity
	// Elsewhere: it did the same in another namespace, and Kindred: the like, such as with
	// another kind of workload. Deployer: for weeks it has changed what runs in several namespaces.
	Elsewhere, Kindred, Deployer bool
	// Settled: SeenBefore, and a day before the moment: what an intruder tried in the hours
	// before makes nothing known.
	Settled bool
	// Refused: the API server refuses it since the moment.
	Refused bool
	// ActorSeenBefore and ActorFirstSeen tell of anything that the actor did.
	ActorSeenBefore bool
	ActorFirstSeen  time.Time
}

// Novelty tells whether an actor (a username) did something before a moment. The
// resource is as in auditevent.Object.Path; targetNamespace is empty for cluster scope.
func (m *Memory) Novelty(namespace, actor, verb, resource, targetNamespace string, before time.Time) Novelty {
	m.mu.Lock()
	defer m.mu.Unlock()
	var n Novelty
	t, ok := m.tenants[namespace]
	if !ok {
		return n
	}
	who, deed := bounded(actor), deedOf(verb, resource, targetNamespace)
	n.Familiarity = t.deeds.about(who, deed, before)
	like := t.likeness(who, Deed{Verb: verb, Resource: resource, Namespace: targetNamespace}, before)
	n.Elsewhere, n.Kindred, n.Deployer = like.elsewhere, like.kindred, like.deployer
	if done := t.deeds.all[key{who, deed}]; done == nil || done.last < before.UnixMicro() {
		tried := t.tries.all[key{who, deed}]
		n.Refused = tried != nil && tried.last >= before.UnixMicro()
		if !n.SeenBefore && tried != nil && tried.seenBefore(before) {
			n.Familiarity = t.tries.about(who, deed, before)
		}
	}
	n.Settled = n.SeenBefore && n.FirstSeen.Before(before.Add(-settling))
	if h := t.known(actor); h != nil {
		if h.seenBefore(before) {
			n.ActorSeenBefore, n.ActorFirstSeen = true, moment(h.first)
		}
	}
	return n
}

// known is the habit of an actor that is remembered, or nil.
func (t *tenant) known(actor string) *habit {
	if h := t.actors.all[key{"", bounded(actor)}]; h != nil && h.actor != nil {
		return h
	}
	return nil
}

// Rate tells how many requests an actor (a username) made around a moment, and
// usually. There is none of an actor that made none around the moment.
func (m *Memory) Rate(namespace, actor string, at time.Time) (Rate, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return Rate{}, false
	}
	h := t.known(actor)
	if h == nil {
		return Rate{}, false
	}
	r := h.actor.rate.about(at)
	return r, r.Requests > 0
}

// Rollout is what an actor changed in the workloads of a namespace around a moment.
type Rollout struct {
	// Workloads as Kind/name, sorted.
	Workloads []string
	// Steady: there are some, and it had changed workloads of that namespace before the span as well.
	Steady bool
}

// Rollout tells which workloads of a namespace an actor (a username) changed within
// span of a moment. The changes were accepted by the API server.
func (m *Memory) Rollout(namespace, actor, targetNamespace string, at time.Time, span time.Duration) Rollout {
	m.mu.Lock()
	defer m.mu.Unlock()
	var r Rollout
	t, ok := m.tenants[namespace]
	if !ok {
		return r
	}
	from, to := at.Add(-span), at.Add(span)
	if h := t.known(actor); h != nil {
		for _, c := range h.actor.changes {
			if c.namespace == targetNamespace && !c.at.Before(from) && !c.at.After(to) {
				r.Workloads = append(r.Workloads, c.workload)
			}
		}
	}
	slices.Sort(r.Workloads)
	r.Workloads = slices.Compact(r.Workloads)
	r.Steady = len(r.Workloads) > 0 && t.changedWorkloadsBefore(actor, targetNamespace, from)
	return r
}

// changedWorkloadsBefore asks the baselines, which outlast the list of changes.
func (t *tenant) changedWorkloadsBefore(actor, namespace string, moment time.Time) bool {
	for _, resource := range auditevent.WorkloadResources {
		for _, verb := range changeVerbs {
			if t.deeds.about(bounded(actor), deedOf(verb, resource, namespace), moment).SeenBefore {
				return true
			}
		}
	}
	return false
}
