// Package rbac tells what a subject may do from RBAC objects alone. It is pure:
// objects in, answers out, the same ones that the API server's authorizer gives.
package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Subject is a user name with its groups, as the API server authenticates them.
type Subject struct {
	User   string
	Groups []string
}

// ServiceAccount returns the subject that a ServiceAccount is authenticated as.
func ServiceAccount(namespace, name string) Subject {
	return Subject{
		User:   serviceaccount.MakeUsername(namespace, name),
		Groups: append(serviceaccount.MakeGroupNames(namespace), user.AllAuthenticated),
	}
}

// User returns a subject with the groups that the API server adds by itself: those
// of a ServiceAccount, where the name is one, and of whoever is authenticated or not.
func User(name string, groups ...string) Subject {
	implied := []string{user.AllAuthenticated}
	if name == user.Anonymous {
		implied = []string{user.AllUnauthenticated}
	} else if namespace, _, err := serviceaccount.SplitUsername(name); err == nil {
		implied = append(implied, serviceaccount.MakeGroupNames(namespace)...)
	}
	all := slices.Sorted(slices.Values(append(implied, groups...)))
	return Subject{User: name, Groups: slices.Compact(all)}
}

// Is says whether a binding's subject means s. Namespace is that of the binding;
// it stands in for the one a ServiceAccount subject leaves out.
func (s Subject) Is(subject rbacv1.Subject, namespace string) bool {
	switch subject.Kind {
	case rbacv1.UserKind:
		return subject.Name == s.User
	case rbacv1.GroupKind:
		return slices.Contains(s.Groups, subject.Name)
	case rbacv1.ServiceAccountKind:
		if subject.Namespace != "" {
			namespace = subject.Namespace
		}
		return namespace != "" && serviceaccount.MatchesUsername(namespace, subject.Name, s.User)
	}
	return false
}

// Objects are the RBAC objects of a cluster. Aggregated ClusterRoles hold their rules already.
type Objects struct {
	ClusterRoles        []rbacv1.ClusterRole
	Roles               []rbacv1.Role
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
	RoleBindings        []rbacv1.RoleBinding
}

// Grant is the rules that one binding gives.
type Grant struct {
	// Namespace in which they hold; empty for everywhere.
	Namespace string
	// Binding by kind and name, such as "RoleBinding shop/deployer".
	Binding string
	Rules   []rbacv1.PolicyRule
}

// Rights are what a subject may do.
type Rights struct {
	// Unlimited: member of system:masters, whom no rule restrains.
	Unlimited bool
	Grants    []Grant
}

// Evaluate collects what the subject is granted. Bindings to roles that do not exist grant nothing.
func (o Objects) Evaluate(s Subject) Rights {
	rights := Rights{Unlimited: slices.Contains(s.Groups, user.SystemPrivilegedGroup)}
	o.eachBinding(func(subjects []rbacv1.Subject, g Grant) {
		if s.in(subjects, g.Namespace) {
			rights.Grants = append(rights.Grants, g)
		}
	})
	return rights
}

// eachBinding that grants something, with its subjects.
func (o Objects) eachBinding(do func([]rbacv1.Subject, Grant)) {
	clusterRoles := map[string][]rbacv1.PolicyRule{}
	for _, r := range o.ClusterRoles {
		clusterRoles[r.Name] = r.Rules
	}
	roles := map[string][]rbacv1.PolicyRule{}
	for _, r := range o.Roles {
		roles[r.Namespace+"/"+r.Name] = r.Rules
	}
	for _, b := range o.ClusterRoleBindings {
		if rules := clusterRoles[b.RoleRef.Name]; b.RoleRef.Kind == "ClusterRole" && len(rules) > 0 {
			do(b.Subjects, Grant{Binding: "ClusterRoleBinding " + b.Name, Rules: rules})
		}
	}
	for _, b := range o.RoleBindings {
		rules := roles[b.Namespace+"/"+b.RoleRef.Name]
		if b.RoleRef.Kind == "ClusterRole" {
			rules = clusterRoles[b.RoleRef.Name]
		}
		if len(rules) > 0 {
			do(b.Subjects, Grant{Namespace: b.Namespace, Binding: "RoleBinding " + b.Namespace + "/" + b.Name, Rules: rules})
		}
	}
}

func (s Subject) in(subjects []rbacv1.Subject, namespace string) bool {
	return slices.ContainsFunc(subjects, func(other rbacv1.Subject) bool { return s.Is(other, namespace) })
}

// Request is a question to an authorizer.
type Request struct {
	Verb string
	// Group of the API; empty for the core one.
	Group string
	// Resource, with its subresource after a slash.
	Resource string
	// Namespace; empty for cluster-scoped objects and for all namespaces.
	Namespace string
	// Name of the object; empty for all of them.
	Name string
	// Path that is not a resource, in place of everything but the verb.
	Path string
}

// Allows says whether the API server's RBAC authorizer would allow the request.
func (r Rights) Allows(q Request) bool {
	if r.Unlimited {
		return true
	}
	rule := q.rule()
	return slices.ContainsFunc(r.Grants, func(g Grant) bool {
		return g.holdsIn(q.Namespace) && covers(g.Rules, rule)
	})
}

func (g Grant) holdsIn(namespace string) bool {
	return g.Namespace == "" || g.Namespace == namespace
}

func (q Request) rule() rbacv1.PolicyRule {
	if q.Path != "" {
		return rbacv1.PolicyRule{Verbs: []string{q.Verb}, NonResourceURLs: []string{q.Path}}
	}
	rule := rbacv1.PolicyRule{Verbs: []string{q.Verb}, APIGroups: []string{q.Group}, Resources: []string{q.Resource}}
	if q.Name != "" {
		rule.ResourceNames = []string{q.Name}
	}
	return rule
}

func covers(rules []rbacv1.PolicyRule, rule rbacv1.PolicyRule) bool {
	covered, _ := validation.Covers(rules, []rbacv1.PolicyRule{rule})
	return covered
}

// Everything says whether every verb on every resource is granted, cluster-wide.
func (r Rights) Everything() bool {
	return r.Allows(Request{Verb: rbacv1.VerbAll, Group: rbacv1.APIGroupAll, Resource: rbacv1.ResourceAll})
}

// Somewhere says whether the verb is granted on the resource in any namespace,
// or on some objects by name.
func (r Rights) Somewhere(verb, group, resource string) bool {
	if r.Unlimited {
		return true
	}
	rule := Request{Verb: verb, Group: group, Resource: resource}.rule()
	return slices.ContainsFunc(r.Grants, func(g Grant) bool { return covers(unnamed(g.Rules), rule) })
}

// unnamed are the rules with their restriction to named objects lifted.
func unnamed(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	lifted := slices.Clone(rules)
	for i := range lifted {
		lifted[i].ResourceNames = nil
	}
	return lifted
}

// mutating are the verbs that change something; others only read, or mean nothing to the API server itself.
var mutating = []string{rbacv1.VerbAll, "create", "update", "patch", "delete", "deletecollection"}

// ChangesIn says whether something that lives in the namespace may be changed.
// Namespaced tells which resources do; questions to the authorizer are no change.
func (r Rights) ChangesIn(namespace string, namespaced func(group, resource string) bool) bool {
	if r.Unlimited {
		return true
	}
	return slices.ContainsFunc(r.Grants, func(g Grant) bool {
		return g.holdsIn(namespace) && slices.ContainsFunc(g.Rules, func(rule rbacv1.PolicyRule) bool {
			return changes(rule, namespaced)
		})
	})
}

func changes(rule rbacv1.PolicyRule, namespaced func(group, resource string) bool) bool {
	if !slices.ContainsFunc(rule.Verbs, func(v string) bool { return slices.Contains(mutating, v) }) {
		return false
	}
	for _, group := range rule.APIGroups {
		if group == "authorization.k8s.io" || group == "authentication.k8s.io" {
			continue
		}
		for _, resource := range rule.Resources {
			parent, _, _ := strings.Cut(resource, "/")
			if group == rbacv1.APIGroupAll || parent == rbacv1.ResourceAll || namespaced(group, parent) {
				return true
			}
		}
	}
	return false
}
