package response

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// systemNamespaces hold the cluster's own parts.
var systemNamespaces = []string{"kube-system", "kube-public", "kube-node-lease"}

const (
	rbacGroup      = "rbac.authorization.k8s.io"
	admissionGroup = "admissionregistration.k8s.io"
	crdGroup       = "apiextensions.k8s.io"
)

// Rails keep actions off what must not be touched, whatever a playbook, a policy or a human says.
type Rails struct {
	// Namespace that the operator runs in.
	Namespace string
	// Node of this cluster that the operator runs on; empty if it runs on none.
	Node string
	// HourlyCap is how many actions of one namespace may be executed within an hour.
	HourlyCap int
}

// Subject is what an action would touch.
type Subject struct {
	// Target of the action.
	Target v1alpha1.TargetReference
	// Touches are other objects that the action takes hold of.
	Touches []v1alpha1.TargetReference
	// Affects names the users whose access the action takes away, as the API server names them.
	Affects []string
	// Grants names the roles that the target gives to whoever it binds.
	Grants []string
	// Approvers of the action.
	Approvers []string
	// Named: a policy that is in force names the target's namespace and does not deny,
	// which lifts the rail around system namespaces.
	Named bool
}

// Refuse returns which rail the action would break, in words, or "" if none.
func (r Rails) Refuse(s Subject) string {
	group, _, _ := strings.Cut(s.Target.APIVersion, "/")
	namespace := NamespaceOf(s.Target)
	switch {
	case r.own(group, namespace, s.Target.Name):
		return fmt.Sprintf("%s %s belongs to Tocsin itself", s.Target.Kind, s.Target.Name)
	case slices.ContainsFunc(s.Grants, ownRole):
		return fmt.Sprintf("%s %s gives rights to work with Tocsin itself; change it where it is kept, in Git", s.Target.Kind, s.Target.Name)
	case r.Namespace != "" && slices.ContainsFunc(s.Affects, r.ownAccount):
		return fmt.Sprintf("it takes away access of Tocsin itself, which %s %s gives", s.Target.Kind, s.Target.Name)
	case s.Target.Kind == "Node" && r.Node != "" && s.Target.Name == r.Node:
		return fmt.Sprintf("Tocsin runs on node %s", r.Node)
	case group == rbacGroup && (strings.HasPrefix(s.Target.Name, "system:") || s.Target.Name == "cluster-admin"):
		return fmt.Sprintf("%s %s belongs to the control plane", s.Target.Kind, s.Target.Name)
	case SystemNamespace(namespace) && !s.Named:
		return fmt.Sprintf("namespace %s is protected; an ApprovalPolicy that lists it in spec.scope.targetNamespaces lifts that", namespace)
	}
	for _, touched := range s.Touches {
		if rail := r.Refuse(Subject{Target: touched}); rail != "" {
			return "it reaches further: " + rail
		}
	}
	for _, approver := range s.Approvers {
		if slices.Contains(s.Affects, approver) {
			return fmt.Sprintf("it takes away access of %s, who approved it; somebody else must approve", approver)
		}
	}
	return ""
}

// own says whether an object is part of Tocsin: what it runs as, the rights and
// admission policies that bind it, and its own kinds.
func (r Rails) own(group, namespace, name string) bool {
	switch group {
	case v1alpha1.Group:
		return true
	case rbacGroup, admissionGroup:
		if ownRole(name) {
			return true
		}
	case crdGroup:
		return strings.HasSuffix(name, "."+v1alpha1.Group)
	}
	return namespace != "" && namespace == r.Namespace
}

// ownAccount says whether a user is a ServiceAccount of the operator's namespace.
func (r Rails) ownAccount(user string) bool {
	return strings.HasPrefix(user, "system:serviceaccount:"+r.Namespace+":")
}

func ownRole(name string) bool { return name == "tocsin" || strings.HasPrefix(name, "tocsin-") }

// Stopped says whether a Namespace's annotations stop actions.
func Stopped(annotations map[string]string) bool {
	value, found := annotations[v1alpha1.AnnotationStop]
	return found && value != "false"
}

// SystemNamespace says whether a namespace holds the cluster's own parts.
func SystemNamespace(name string) bool { return slices.Contains(systemNamespaces, name) }

// NamespaceOf is the namespace that a target is in or is; empty for other cluster-scoped ones.
func NamespaceOf(target v1alpha1.TargetReference) string {
	if target.Kind == "Namespace" {
		return target.Name
	}
	return target.Namespace
}
