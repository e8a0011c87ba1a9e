package activity

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// Subject is a workload (Kind/namespace/name) or, where that is empty, a pod (namespace/name).
type Subject struct{ Pod, Workload string }

// subjectOf is what an alert is about: the first workload that it names, or the first pod.
func subjectOf(entities []v1alpha1.Entity) Subject {
	var s Subject
	for _, e := range entities {
		switch {
		case e.Type == v1alpha1.EntityWorkload && s.Workload == "":
			s.Workload = e.Value
		case e.Type == v1alpha1.EntityPod && s.Pod == "":
			s.Pod = e.Value
		}
	}
	return s
}

// suffixLength is how many characters the API server adds to a generateName.
const suffixLength = 5

// learnController remembers what the control plane makes on behalf of what: a pod
// for a ReplicaSet, a ReplicaSet for a Deployment. Others can write owners into their
// objects as they like.
func (t *tenant) learnController(e auditevent.Event, made auditevent.Made) {
	if e.Verb != "create" || e.Refused() {
		return
	}
	namespace, name := e.Object.Namespace+"/", cmp.Or(made.Name, e.Object.Name)
	child := cmp.Or(name, made.GenerateName)
	switch {
	case child == "":
		return
	case !e.ByControlPlane():
		if e.Object.Path() == "pods" {
			t.learn(namespace+child, makerMark+bounded(e.Actor()), name == "")
		}
		return
	case made.Controller == "":
		return
	}
	t.learn(namespace+child, bounded(namespace+made.Controller), name == "")
	if deployment, ok := strings.CutSuffix(made.Controller, "-"+made.TemplateHash); ok && made.TemplateHash != "" {
		t.controllers.Add(bounded(namespace+made.Controller), bounded(namespace+deployment))
	}
}

// learn what is above a name, or above all names that are generated from it. If somebody
// else had names generated from it as well, nobody knows whose is which.
func (t *tenant) learn(name, above string, generates bool) {
	name = bounded(name)
	known, ok := t.controllers.Get(name)
	if generates && ok && known != above && (strings.HasPrefix(known, makerMark) || strings.HasPrefix(above, makerMark)) {
		above = severalMakers
	}
	t.controllers.Add(name, above)
}

// severalMakers is the maker of what is nobody's in particular; no user has this name.
const severalMakers = makerMark + "\x00several"

// makerMark begins what is known of a pod that the control plane did not make: its maker.
const makerMark = "@"

// maker is who made the pod that a subject is, as the API server knows; empty for one of
// a built-in controller, and for one of which nobody knows.
func (t *tenant) maker(s Subject) string {
	up, _ := t.above(s.Pod)
	maker, made := strings.CutPrefix(up, makerMark)
	if !made || s.Workload != "" {
		return ""
	}
	return maker
}

// above is what made a pod known, by its name or by what its name was generated from.
func (t *tenant) above(pod string) (string, bool) {
	up, ok := t.controllers.Get(pod)
	if !ok && len(pod) > suffixLength {
		up, ok = t.controllers.Get(pod[:len(pod)-suffixLength])
	}
	return up, ok
}

// workload is namespace/name of what a subject belongs to, without its kind. It is
// guessed where nobody said whose pod it is; empty for no subject.
func (t *tenant) workload(s Subject) (workload string, guessed bool) {
	if _, name, ok := strings.Cut(s.Workload, "/"); ok {
		return bounded(name), false
	}
	if !strings.Contains(s.Pod, "/") {
		return "", false
	}
	up, ok := t.above(s.Pod)
	if !ok || strings.HasPrefix(up, makerMark) {
		return guess(s.Pod), true
	}
	for range 3 { // a pod, its Job, its CronJob
		next, ok := t.controllers.Get(up)
		if !ok {
			break
		}
		up = next
	}
	return up, false
}

// generated are the endings of names that controllers give their pods: of a
// Deployment, a CronJob, a DaemonSet or Job, and a StatefulSet.
var generated = regexp.MustCompile(`^(.+?)(?:(?:-[b-df-hj-np-tv-xz0-9]{6,10})?-[b-df-hj-np-tv-xz0-9]{5}|-[0-9]{1,4})$`)

// guess is what a pod's name looks like the pod of. Whoever names a pod can make it look
// like another workload's: what is drawn from it must never lower suspicion.
func guess(pod string) string {
	if m := generated.FindStringSubmatch(pod); m != nil && !strings.HasSuffix(m[1], "/") {
		return bounded(m[1])
	}
	return bounded(pod)
}

func namespaceOf(workload string) string {
	namespace, _, _ := strings.Cut(workload, "/")
	return namespace
}
