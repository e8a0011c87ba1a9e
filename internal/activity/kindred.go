package activity

import (
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// kinds of resources that are worked on together: who creates Deployments may well create
// a DaemonSet one day. A resource that is not here is of its own kind.
var kinds = func() map[string]string {
	all := map[string][]string{
		"workloads": append(slices.Clone(auditevent.WorkloadResources), "pods"),
		"rbac":      {"roles", "rolebindings", "clusterroles", "clusterrolebindings"},
		"traffic":   {"services", "ingresses", "networkpolicies", "endpoints", "endpointslices", "gateways", "httproutes"},
		"settings":  {"configmaps", "limitranges", "resourcequotas", "horizontalpodautoscalers", "poddisruptionbudgets"},
		"identity":  {"serviceaccounts", "serviceaccounts/token", "certificatesigningrequests", "certificatesigningrequests/approval"},
		"admission": {"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings"},
		"storage":   {"persistentvolumes", "persistentvolumeclaims", "storageclasses", "volumesnapshots", "volumesnapshotcontents"},
	}
	of := map[string]string{}
	for kind, resources := range all {
		for _, resource := range resources {
			of[resource] = kind
		}
	}
	return of
}()

// kind of what a deed does to what: reading, writing or deleting a kind of resource. Of
// what acts on a running thing, such as pods/exec, each is its own.
func (d Deed) kind() string {
	resource, ok := kinds[d.Resource]
	if !ok {
		resource = d.Resource
	}
	switch {
	case strings.HasPrefix(d.Verb, "delete"):
		return "delete " + resource
	case slices.Contains(changeVerbs, d.Verb):
		return "write " + resource
	}
	return "read " + resource
}

// likeness of a deed to what an actor did until a day before a moment.
type likeness struct {
	// elsewhere: it did the same in several other namespaces. kindred: it did the like there, or
	// in several other namespaces. Who keeps to one is no guest in the next.
	elsewhere, kindred bool
	// deployer: for weeks it has changed what runs in several namespaces.
	deployer bool
}

const (
	// deployerHours is in how many hours, and deployerSpaces in how many namespaces, one who
	// deploys has changed what runs there.
	deployerHours  = 12
	deployerSpaces = 2
)

func (t *tenant) likeness(who string, d Deed, before time.Time) likeness {
	var found likeness
	owner := t.deeds.owners[who]
	if owner == nil {
		return found
	}
	hours, spaces, same, like := 0, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for h := range owner.habits() {
		if !h.settled(before) {
			continue
		}
		other := readDeed(h.what)
		if other.kind() == d.kind() {
			like[other.Namespace] = true
			if other.Verb == d.Verb && other.Resource == d.Resource {
				same[other.Namespace] = true
			}
		}
		if other.kind() == "write workloads" {
			_, n := h.before(before)
			hours = max(hours, n)
			spaces[other.Namespace] = true
		}
	}
	found.elsewhere = len(same) > 1
	found.kindred = like[d.Namespace] || len(like) > 1
	found.deployer = hours >= deployerHours && len(spaces) >= deployerSpaces && before.Sub(moment(owner.first)) >= usualSince
	return found
}
