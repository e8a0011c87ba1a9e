package activity

import (
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Firing is a rule that fires about what an actor does in a namespace or, where no actor is
// known, about what runs in a workload.
type Firing struct {
	// Source that reported it, and Rule: those of different senders are different.
	Source, Rule string
	// Actor (a username) and Namespace, as the API server knows them.
	Actor, Namespace string
	// Of is what the sensor saw, and Image what it runs.
	Of    Subject
	Image string
}

// firingOf the alert as it is remembered.
func firingOf(spec v1alpha1.AlertSpec) Firing {
	f := Firing{Source: spec.Source, Rule: spec.Rule, Actor: spec.Attributes["user"], Namespace: spec.Attributes["namespace"]}
	if f.Actor != "" {
		return f
	}
	f.Of = subjectOf(spec.Entities)
	for _, e := range spec.Entities {
		if e.Type == v1alpha1.EntityContainerImage && f.Image == "" {
			f.Image = e.Value
		}
	}
	return f
}

// habit is whose it is and what; who is empty where it is nobody's. Of a pod that somebody
// made without a built-in controller it is its maker's, since the name is what the maker likes.
func (f Firing) habit(t *tenant) (who, what string) {
	if f.Actor != "" {
		return bounded(f.Actor), bounded(f.Source + "\x00" + f.Rule + "\x00" + f.Namespace)
	}
	image, _ := imageOf(f.Image)
	what = bounded(f.Source + "\x00" + f.Rule + "\x00" + image)
	if maker := t.maker(f.Of); maker != "" {
		return bounded("made\x00" + namespaceOf(f.Of.Pod) + "\x00" + maker), what
	}
	workload, _ := t.workload(f.Of)
	if workload == "" {
		return "", ""
	}
	return ofWorkload(workload), what
}

// elsewhere is the habit of all that runs the same image in the same namespace, as a new
// release or a run of a pipeline does under another name.
func (f Firing) elsewhere() (who string) {
	namespace := namespaceOf(f.Of.Pod)
	if _, name, ok := strings.Cut(f.Of.Workload, "/"); ok {
		namespace = namespaceOf(name)
	}
	if f.Actor != "" || f.Image == "" || namespace == "" {
		return ""
	}
	return bounded("namespace\x00" + namespace)
}

// everywhere is the habit of all that runs the same image, as an agent does that comes with
// every workload.
func (f Firing) everywhere() (who string) {
	if f.Actor != "" || f.Image == "" {
		return ""
	}
	image, _ := imageOf(f.Image)
	return bounded("image\x00" + image) // an owner each: none crowds out another
}

// known is the habit that is known before a moment: its own or, if that began within the
// last day, the one that there is elsewhere.
func (f Firing) known(t *tenant, before time.Time) (who, what string) {
	who, what = f.habit(t)
	if t.firings.about(who, what, before.Add(-settling)).SeenBefore {
		return who, what
	}
	ofWorkload, asEver := f.madeAsEver(t, before)
	if asEver && t.firings.about(ofWorkload, what, before).SeenBefore {
		return ofWorkload, what
	}
	if !asEver && t.maker(f.Of) != "" { // who makes a pod chooses its image as well
		return who, what
	}
	if elsewhere := f.elsewhere(); elsewhere != "" && t.firings.about(elsewhere, what, before).SeenBefore {
		return elsewhere, what
	}
	return who, what
}

// madeAsEver is the habit of the workload that a pod looks like, if its maker has made pods
// there for weeks.
func (f Firing) madeAsEver(t *tenant, before time.Time) (who string, ok bool) {
	maker := t.maker(f.Of)
	if maker == "" || !t.deeds.about(maker, deedOf("create", "pods", namespaceOf(f.Of.Pod)), before).Usual() {
		return "", false
	}
	workload, _ := t.workload(f.Of)
	return ofWorkload(workload), workload != ""
}

func ofWorkload(name string) string { return bounded("workload\x00" + name) }

// RecordFiring remembers that a rule fired, each time that it did, and with which
// details. It follows the events of its message.
func (m *Memory) RecordFiring(namespace string, spec v1alpha1.AlertSpec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.restored.covers(m.at) {
		return
	}
	t := m.tenant(namespace)
	f := firingOf(spec)
	t.firings.began(t.listensSince(spec.Source, spec.FirstSeen.Time))
	who, what := f.habit(t)
	var keys []string
	for _, d := range details(spec) {
		keys = append(keys, d.key())
	}
	for _, who := range []string{who, f.elsewhere(), f.everywhere()} {
		if who == "" || what == "" {
			continue
		}
		t.firings.seen(who, what, spec.FirstSeen.Time)
		owner := ownerOf(who, what)
		for _, key := range keys {
			t.details.seen(owner, key, spec.FirstSeen.Time)
		}
	}
	if f.Actor != "" {
		t.firings.seen(bounded(f.Actor), f.anywhere(), spec.FirstSeen.Time)
	}
}

// anywhere is what an actor does, in whichever namespace.
func (f Firing) anywhere() string { return bounded(f.Source + "\x00" + f.Rule + "\x00*") }

// Recurrence tells how often a rule had fired about the same before a moment. It is not
// known of an alert about no workload and nobody.
func (m *Memory) Recurrence(namespace string, f Firing, before time.Time) (Familiarity, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return Familiarity{}, false
	}
	who, what := f.known(t, before)
	found := t.firings.about(who, what, before)
	if connected, ok := t.connected[f.Source]; ok {
		found.BaselineAge = min(found.BaselineAge, max(before.Sub(connected), 0))
	}
	return found, who != ""
}

// Anywhere tells how often a rule had fired about what an actor does in any namespace or,
// where no actor is known, about what runs the same image in any workload.
func (m *Memory) Anywhere(namespace string, f Firing, before time.Time) Familiarity {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[namespace]
	if !ok {
		return Familiarity{}
	}
	if f.Actor != "" {
		return t.firings.about(bounded(f.Actor), f.anywhere(), before)
	}
	who, what := f.ofImage(t, before)
	return t.firings.about(who, what, before)
}

// ofImage is the habit of what runs the same image, but for pods that somebody makes who
// does not always: whoever makes a pod chooses its image as well.
func (f Firing) ofImage(t *tenant, before time.Time) (who, what string) {
	if _, asEver := f.madeAsEver(t, before); !asEver && t.maker(f.Of) != "" {
		return "", ""
	}
	_, what = f.habit(t)
	return f.everywhere(), what
}
