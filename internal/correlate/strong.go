package correlate

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// anyRole are types that name one thing, whatever part it plays.
var anyRole = []v1alpha1.EntityType{v1alpha1.EntityPod, v1alpha1.EntityFileHash}

// involved are types that name one thing, but are context too often, such as the
// subjects of a binding: they count only for what acted or was acted on.
var involved = []v1alpha1.EntityType{
	v1alpha1.EntityServiceAccount, v1alpha1.EntityUser, v1alpha1.EntityWorkload, v1alpha1.EntityKubernetesObject, v1alpha1.EntityCloudResource,
}

var (
	podPrefix      = v1alpha1.Entity{Type: v1alpha1.EntityPod}.Key()
	workloadPrefix = v1alpha1.Entity{Type: v1alpha1.EntityWorkload}.Key()
)

// strong returns the keys of the entities that make alerts belong together, actors
// first. What many innocents share never does: nodes, namespaces, images,
// addresses, groups, processes, files, the system's own identities and known automation;
// but an address counts for what comes from it without credentials.
func (i *Index) strong(namespace string, entities []v1alpha1.Entity) []string {
	var keys []string
	for _, role := range []v1alpha1.EntityRole{v1alpha1.RoleActor, v1alpha1.RoleTarget, v1alpha1.RoleRelated, ""} {
		for _, e := range entities {
			if e.Role == role && !i.isWeak(namespace, e) && isStrong(e, entities) && !slices.Contains(keys, e.Key()) {
				keys = append(keys, e.Key())
			}
		}
	}
	if visitor := visitor(entities); visitor != "" {
		keys = append(keys, visitor)
	}
	return keys
}

// visitor is who comes from outside without credentials: all that is known of them is
// their address. One inside is a node's or a balancer's, and everybody's.
func visitor(entities []v1alpha1.Entity) string {
	anonymous, from := false, ""
	for _, e := range entities {
		anonymous = anonymous || e.Type == v1alpha1.EntityUser && e.Role == v1alpha1.RoleActor && e.Value == "system:anonymous"
		if address, err := netip.ParseAddr(e.Value); e.Type == v1alpha1.EntityIP && err == nil && address.Unmap().IsGlobalUnicast() && !address.Unmap().IsPrivate() {
			from = e.Value
		}
	}
	if !anonymous || from == "" {
		return ""
	}
	return "Visitor:" + from
}

func isStrong(e v1alpha1.Entity, all []v1alpha1.Entity) bool {
	part := e.Role == v1alpha1.RoleActor || e.Role == v1alpha1.RoleTarget
	if e.Type == v1alpha1.EntityHost {
		// A host is one thing for alerts about hosts, and a crowd for alerts about pods.
		return part && !slices.ContainsFunc(all, func(o v1alpha1.Entity) bool { return o.Type == v1alpha1.EntityPod })
	}
	return slices.Contains(anyRole, e.Type) || part && slices.Contains(involved, e.Type)
}

// isWeak: the name says nothing of who is behind it, or there is none.
func (i *Index) isWeak(namespace string, e v1alpha1.Entity) bool {
	return e.Value == "" || isSystem(e) || i.automation[namespace][e.Key()]
}

func (i *Index) isWeakKey(namespace, key string) bool {
	kind, value, _ := strings.Cut(key, ":")
	return i.isWeak(namespace, v1alpha1.Entity{Type: v1alpha1.EntityType(kind), Value: value})
}

// isSystem: identities under which the cluster itself acts, for everybody.
func isSystem(e v1alpha1.Entity) bool {
	switch e.Type {
	case v1alpha1.EntityServiceAccount:
		return strings.HasPrefix(e.Value, "kube-system/")
	case v1alpha1.EntityUser:
		return strings.HasPrefix(e.Value, "system:")
	}
	return false
}
