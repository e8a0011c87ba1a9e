package correlate

import (
	"net/http"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

const (
	// maxLinksEach is how many things one thing stands for; the latest are kept.
	maxLinksEach = 4
	// maxSteps is how many links are followed in a row: pod, ReplicaSet, Deployment, creator.
	maxSteps = 4
)

// linkKey is an entity or an address that a tenant told of.
type linkKey struct{ namespace, key string }

// link leads to what something stands for. One without a time does not grow old.
type link struct {
	to string
	at time.Time
}

// address is the pod that requests came from, unless several share it, as behind a
// node or a proxy.
type address struct {
	pod    string
	shared bool
	last   time.Time
}

// Observe learns links from an audit event: which ServiceAccount a pod acts as and from
// which address, who created or changed a pod or a workload, and which workload something
// belongs to.
func (i *Index) Observe(namespace string, raw map[string]any, at time.Time) {
	e := auditevent.Read(raw)
	if !e.Answered() || e.DryRun {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if e.User.Pod != "" {
		i.acting(namespace, e, at)
	}
	if changesWhatRuns(e) {
		i.made(namespace, e, raw, at)
	}
}

// acting: the API server proved that the request's token is bound to a pod.
func (i *Index) acting(namespace string, e auditevent.Event, at time.Time) {
	account := e.User.Entity()
	pod := actingPod(e.Entities())
	if pod == "" {
		return
	}
	i.link(namespace, pod, account.Key(), time.Time{})
	if e.Address == "" || len(e.Forwarded) > 0 {
		return
	}
	key := linkKey{namespace, e.Address}
	known, ok := i.addresses.Get(key)
	if !ok || known.pod != pod && at.Sub(known.last) > i.window(namespace) {
		known = address{pod: pod} // addresses are given again to other pods
	}
	known.shared = known.shared || known.pod != pod || isSystem(account) // which often has its node's address
	if at.After(known.last) {
		known.last = at
	}
	i.addresses.Add(key, known)
}

func actingPod(entities []v1alpha1.Entity) string {
	for _, e := range entities {
		if e.Type == v1alpha1.EntityPod && e.Role == v1alpha1.RoleActor {
			return e.Key()
		}
	}
	return ""
}

var makingVerbs = []string{"create", "update", "patch"}

// changesWhatRuns: a pod was created, or a workload created or changed.
func changesWhatRuns(e auditevent.Event) bool {
	if e.Code < http.StatusOK || e.Code >= http.StatusMultipleChoices || e.Object.Subresource != "" || e.Object.Name == "" {
		return false
	}
	if e.Object.APIGroup == "" && e.Object.Resource == "pods" {
		return e.Verb == "create"
	}
	return e.Object.WorkloadKind() != "" && slices.Contains(makingVerbs, e.Verb)
}

// made links what was made to its maker, and to the workload that controls it.
func (i *Index) made(namespace string, e auditevent.Event, raw map[string]any, at time.Time) {
	var target string
	var makers []v1alpha1.Entity
	for _, entity := range e.Entities() {
		switch {
		case entity.Role == v1alpha1.RoleTarget:
			target = entity.Key()
		case entity.Role == v1alpha1.RoleActor && entity.Type != v1alpha1.EntityNode:
			makers = append(makers, entity)
		}
	}
	if target == "" {
		return
	}
	for _, maker := range makers {
		if !i.isWeak(namespace, maker) && maker.Key() != target {
			i.link(namespace, target, maker.Key(), at)
		}
	}
	if kind, name := e.Controller(raw); kind != "" {
		owner := v1alpha1.Entity{Type: v1alpha1.EntityWorkload, Value: kind + "/" + e.Object.Namespace + "/" + name}
		if owner.Key() != target {
			i.link(namespace, target, owner.Key(), time.Time{})
		}
	}
}

func (i *Index) link(namespace, from, to string, at time.Time) {
	key := linkKey{namespace, from}
	known, _ := i.links.Get(key)
	if at := slices.IndexFunc(known, func(l link) bool { return l.to == to }); at >= 0 {
		known = slices.Delete(slices.Clone(known), at, at+1)
	}
	if len(known) == maxLinksEach {
		known = known[1:]
	}
	i.links.Add(key, append(slices.Clip(known), link{to, at}))
}

// learn links the pod and the ServiceAccount that acted together.
func (i *Index) learn(namespace string, entities []v1alpha1.Entity) {
	pod := actingPod(entities)
	for _, e := range entities {
		if e.Role == v1alpha1.RoleActor && e.Type == v1alpha1.EntityServiceAccount && pod != "" {
			i.link(namespace, pod, e.Key(), time.Time{})
			return
		}
	}
}

// standsFor are what an entity stands for, near things first. The system's own
// identities and known automation are nobody to stand for.
func (i *Index) standsFor(namespace, key string) []link {
	var found []link
	seen := map[string]bool{key: true}
	from := []link{{to: key}}
	for range maxSteps {
		var next []link
		for _, f := range from {
			links, _ := i.links.Get(linkKey{namespace, f.to})
			for _, l := range links {
				if seen[l.to] || i.isWeakKey(namespace, l.to) {
					continue
				}
				seen[l.to] = true
				if l.at.IsZero() {
					l.at = f.at
				}
				next = append(next, l)
			}
		}
		found, from = append(found, next...), next
	}
	return found
}
