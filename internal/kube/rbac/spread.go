package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Theft is what rights can be turned into, and how.
type Theft struct {
	// What: an identity, such as "ServiceAccount shop/ops", or a role.
	What string
	// How: the way to it.
	How string
}

// String says it in words.
func (t Theft) String() string { return t.What + " " + t.How }

// The ways to other rights.
const (
	byPod           = "by a pod of its own"
	byToken         = "by asking for its token"
	byImpersonation = "by impersonation"
	byBinding       = "by binding it"
	byEscalation    = "by escalate"
)

var (
	writeClusterRoles    = permissions([]string{"create", "update", "patch"}, rbacv1.GroupName, "clusterroles")
	writeRoles           = permissions([]string{"create", "update", "patch"}, rbacv1.GroupName, "roles")
	writeClusterBindings = permissions([]string{"create", "update", "patch"}, rbacv1.GroupName, "clusterrolebindings")
	writeBindings        = permissions([]string{"create", "update", "patch"}, rbacv1.GroupName, "rolebindings")
	turnsIntoMore        = slices.Concat(makePods, requestTokens, impersonate, escalate, bind)
	everything           = []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
)

// maxRounds bounds how often what was taken over is used to take over more.
const maxRounds = 8

// Spread follows rights to what they can be turned into: whoever creates pods in a
// namespace acts as any ServiceAccount of it, whoever may bind a role holds it, and so
// on with what that gives. It ends where nothing is left to be had. Identities that no
// binding names have no rights to be taken.
func (o Objects) Spread(r Rights, namespaces []Namespace) (Rights, []Theft) {
	if r.Everything() || !r.anywhere(turnsIntoMore) {
		return r, nil
	}
	t := &takeover{granted: o.granted(), objects: o, rights: r, namespaces: namespaces}
	t.rights.Grants = slices.Clone(r.Grants)
	for range maxRounds {
		before := len(t.thefts)
		for _, take := range []func(){t.escalations, t.impersonations, t.accounts, t.bindings} {
			take()
			if t.complete {
				return t.rights, t.thefts
			}
		}
		if len(t.thefts) == before {
			break
		}
	}
	return t.rights, t.thefts
}

// takeover is a spread under way.
type takeover struct {
	objects    Objects
	namespaces []Namespace
	// granted to a subject of bindings, by kind and name.
	granted map[string][]Grant

	rights Rights
	thefts []Theft
	// complete: the rights are to everything.
	complete bool
}

// take adds what grants give beyond the rights; what gives nothing is no theft.
func (t *takeover) take(what, how string, grants ...Grant) {
	before := len(t.rights.Grants)
	for _, g := range grants {
		if !t.rights.holds(g) {
			t.rights.Grants = append(t.rights.Grants, g)
			t.complete = t.complete || Rights{Grants: []Grant{g}}.Everything()
		}
	}
	if len(t.rights.Grants) > before {
		t.thefts = append(t.thefts, Theft{what, how})
	}
}

// holds says whether a grant adds nothing.
func (r Rights) holds(g Grant) bool {
	if r.Unlimited {
		return true
	}
	var all []rbacv1.PolicyRule
	for _, own := range r.within(g.Namespace).Grants {
		all = append(all, own.Rules...)
	}
	covered, _ := validation.Covers(all, g.Rules)
	return covered
}

// accounts whose tokens can be had: by a pod that runs as them, or by asking.
func (t *takeover) accounts() {
	for _, a := range t.candidates() {
		how := ""
		switch {
		case t.rights.Allows(Request{Verb: "impersonate", Resource: "serviceaccounts", Namespace: a.namespace, Name: a.name}):
			how = byImpersonation
		case t.rights.allowsAny(requestTokens, a.namespace, a.name):
			how = byToken
		case t.rights.reachable(makePods, a.namespace):
			how = byPod
		default:
			continue
		}
		t.take("ServiceAccount "+a.namespace+"/"+a.name, how, t.grants(ServiceAccount(a.namespace, a.name))...)
		if t.complete {
			return
		}
	}
}

type account struct{ namespace, name string }

// candidates are the ServiceAccounts that bindings name, and one of every namespace for
// what is granted to all of them.
func (t *takeover) candidates() []account {
	var found []account
	seen := map[account]bool{}
	add := func(namespace, name string) {
		if a := (account{namespace, name}); namespace != "" && !seen[a] {
			seen[a] = true
			found = append(found, a)
		}
	}
	t.objects.eachSubject(func(s rbacv1.Subject, g Grant) {
		if namespace, name, err := serviceaccount.SplitUsername(userName(s, g.Namespace)); err == nil {
			add(namespace, name)
		}
	})
	for _, n := range t.namespaces {
		add(n.Name, "default")
	}
	return found
}

// grants that a subject has.
func (t *takeover) grants(s Subject) []Grant {
	all := slices.Clone(t.granted[rbacv1.UserKind+" "+s.User])
	for _, group := range s.Groups {
		all = append(all, t.granted[rbacv1.GroupKind+" "+group]...)
	}
	return all
}

func (o Objects) granted() map[string][]Grant {
	all := map[string][]Grant{}
	o.eachSubject(func(s rbacv1.Subject, g Grant) {
		key := s.Kind + " " + s.Name
		if name := userName(s, g.Namespace); name != "" {
			key = rbacv1.UserKind + " " + name
		}
		all[key] = append(all[key], g)
	})
	return all
}

// userName of a subject of a binding; empty for a group.
func userName(s rbacv1.Subject, namespace string) string {
	switch s.Kind {
	case rbacv1.UserKind:
		return s.Name
	case rbacv1.ServiceAccountKind:
		return serviceaccount.MakeUsername(cmp.Or(s.Namespace, namespace), s.Name)
	}
	return ""
}

// eachSubject of a binding, with what it is granted by it.
func (o Objects) eachSubject(do func(rbacv1.Subject, Grant)) {
	o.eachBinding(func(subjects []rbacv1.Subject, g Grant) {
		for _, s := range subjects {
			do(s, g)
		}
	})
}

// impersonations of users and groups that bindings name. A group is impersonated
// together with some user.
func (t *takeover) impersonations() {
	if !t.rights.CanImpersonate() {
		return
	}
	may := func(resource, name string) bool {
		return t.rights.Allows(Request{Verb: "impersonate", Resource: resource, Name: name})
	}
	anybody := t.rights.anywhere(permissions([]string{"impersonate"}, "", "users", "serviceaccounts"))
	if anybody && may("groups", user.SystemPrivilegedGroup) {
		t.rights.Unlimited, t.complete = true, true
		t.thefts = append(t.thefts, Theft{"Group " + user.SystemPrivilegedGroup, byImpersonation})
		return
	}
	t.objects.eachSubject(func(s rbacv1.Subject, _ Grant) {
		who := Subject{}
		switch {
		case s.Kind == rbacv1.UserKind && may("users", s.Name):
			who = User(s.Name)
		case s.Kind == rbacv1.GroupKind && anybody && may("groups", s.Name):
			who.Groups = []string{s.Name, user.AllAuthenticated}
		default:
			return
		}
		t.take(s.Kind+" "+s.Name, byImpersonation, t.grants(who)...)
	})
}

// bindings that can be made of roles which hold more.
func (t *takeover) bindings() {
	everywhere := t.rights.within("").anywhere(writeClusterBindings)
	for _, r := range t.objects.ClusterRoles {
		if len(r.Rules) == 0 {
			continue
		}
		if everywhere && t.rights.allowsAny(bindOf("clusterroles"), "", r.Name) {
			t.take("ClusterRole "+r.Name, byBinding, Grant{Binding: "bind " + r.Name, Rules: r.Rules})
			continue
		}
		for _, n := range t.namespaces {
			if t.rights.allowsAny(bindOf("clusterroles"), n.Name, r.Name) && t.rights.reachable(writeBindings, n.Name) {
				t.take(fmt.Sprintf("ClusterRole %s in namespace %s", r.Name, n.Name), byBinding,
					Grant{Namespace: n.Name, Binding: "bind " + n.Name + "/" + r.Name, Rules: r.Rules})
			}
		}
	}
	for _, r := range t.objects.Roles {
		if len(r.Rules) > 0 && t.rights.allowsAny(bindOf("roles"), r.Namespace, r.Name) && t.rights.reachable(writeBindings, r.Namespace) {
			t.take("Role "+r.Namespace+"/"+r.Name, byBinding, Grant{Namespace: r.Namespace, Binding: "bind Role " + r.Namespace + "/" + r.Name, Rules: r.Rules})
		}
	}
}

func bindOf(resource string) []permission {
	return permissions([]string{"bind"}, rbacv1.GroupName, resource)
}

// escalations: whoever may write a role without holding what it grants, grants everything.
func (t *takeover) escalations() {
	escalateOf := func(resource string) []permission {
		return permissions([]string{"escalate"}, rbacv1.GroupName, resource)
	}
	if inside := t.rights.within(""); inside.anywhere(escalateOf("clusterroles")) && inside.anywhere(writeClusterRoles) {
		t.take("any ClusterRole", byEscalation, Grant{Binding: "escalate", Rules: everything})
		return
	}
	for _, n := range t.namespaces {
		if t.rights.reachable(escalateOf("roles"), n.Name) && t.rights.reachable(writeRoles, n.Name) {
			t.take("any Role in namespace "+n.Name, byEscalation, Grant{Namespace: n.Name, Binding: "escalate " + n.Name, Rules: everything})
		}
	}
}

// CanImpersonate says whether anybody may be impersonated.
func (r Rights) CanImpersonate() bool { return r.anywhere(impersonate) }

// words of the thefts, at most so many, and how many more there are.
func words(thefts []Theft, most int) string {
	var all []string
	for _, t := range thefts[:min(len(thefts), most)] {
		all = append(all, t.String())
	}
	text := strings.Join(all, ", ")
	if left := len(thefts) - most; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}
