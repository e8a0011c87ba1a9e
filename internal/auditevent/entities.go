package auditevent

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxEntity is how many bytes the value of an entity has at most.
const maxEntity = 512

var workloadKinds = map[string]string{
	"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet", "replicasets": "ReplicaSet",
	"replicationcontrollers": "ReplicationController", "jobs": "Job", "cronjobs": "CronJob",
}

var workloadNames = slices.Sorted(maps.Values(workloadKinds))

// WorkloadResources are the resources of workloads.
var WorkloadResources = slices.Sorted(maps.Keys(workloadKinds))

var workloadGroups = map[string]bool{"": true, "apps": true, "batch": true, "extensions": true}

// Entities that the event speaks of: who acted and from which pod, node and address,
// and the object with its namespace. Each key is there once.
func (e Event) Entities() []v1alpha1.Entity {
	found := make([]v1alpha1.Entity, 0, 6)
	add := func(t v1alpha1.EntityType, role v1alpha1.EntityRole, value string) {
		found = append(found, v1alpha1.Entity{Type: t, Role: role, Value: Bounded(value, maxEntity)})
	}
	if e.User.Name != "" {
		found = append(found, e.User.Entity())
	}
	if namespace, _, ok := strings.Cut(e.User.ServiceAccount(), "/"); ok && e.User.Pod != "" {
		add(v1alpha1.EntityPod, v1alpha1.RoleActor, namespace+"/"+e.User.Pod)
	}
	if e.User.Node != "" {
		add(v1alpha1.EntityNode, v1alpha1.RoleRelated, e.User.Node)
	}
	if e.Impersonated.Name != "" {
		found = append(found, e.Impersonated.Entity())
	}
	if t, value := e.Object.entity(); value != "" {
		add(t, v1alpha1.RoleTarget, value)
	}
	if e.Object.Namespace != "" {
		add(v1alpha1.EntityNamespace, v1alpha1.RoleRelated, e.Object.Namespace)
	}
	if e.Address != "" {
		add(v1alpha1.EntityIP, v1alpha1.RoleRelated, e.Address)
	}
	return Distinct(found)
}

// Distinct keeps the first of entities with the same key.
func Distinct(entities []v1alpha1.Entity) []v1alpha1.Entity {
	kept := entities[:0]
	for _, e := range entities {
		known := false
		for _, k := range kept {
			known = known || k.Type == e.Type && k.Value == e.Value
		}
		if !known {
			kept = append(kept, e)
		}
	}
	return kept
}

// entity names the object; without a name, as in a list, there is none.
func (o Object) entity() (v1alpha1.EntityType, string) {
	if o.Name == "" || o.Resource == "" {
		return "", ""
	}
	core := o.APIGroup == ""
	switch {
	case core && o.Resource == "pods":
		return v1alpha1.EntityPod, o.Namespace + "/" + o.Name
	case core && o.Resource == "serviceaccounts":
		return v1alpha1.EntityServiceAccount, o.Namespace + "/" + o.Name
	case core && o.Resource == "nodes":
		return v1alpha1.EntityNode, o.Name
	case core && o.Resource == "namespaces":
		return v1alpha1.EntityNamespace, o.Name
	}
	if kind := o.WorkloadKind(); kind != "" {
		return v1alpha1.EntityWorkload, kind + "/" + o.Namespace + "/" + o.Name
	}
	value := o.Resource
	if !core {
		value += "." + o.APIGroup
	}
	if o.Namespace != "" {
		value += "/" + o.Namespace
	}
	return v1alpha1.EntityKubernetesObject, value + "/" + o.Name
}

// WorkloadKind is the kind of a workload, such as Deployment, or empty.
func (o Object) WorkloadKind() string {
	if !workloadGroups[o.APIGroup] {
		return ""
	}
	return workloadKinds[o.Resource]
}

// Bounded shortens text to at most limit bytes; what it cuts off is told apart by
// its digest, so that two long texts stay two.
func Bounded(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	digest := "~" + hex.EncodeToString(sum[:8])
	cut := limit - len(digest)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + digest
}

// Controller is the workload that controls the object of the event, by its owner
// references; empty if none does, or the event has no body to tell.
func (e Event) Controller(raw map[string]any) (kind, name string) {
	for _, field := range []string{"responseObject", "requestObject"} {
		for _, item := range list(object(object(raw, field), "metadata"), "ownerReferences") {
			reference, _ := item.(map[string]any)
			controls, _ := reference["controller"].(bool)
			if kind := text(reference, "kind"); controls && slices.Contains(workloadNames, kind) {
				return kind, text(reference, "name")
			}
		}
	}
	return "", ""
}
