package rbac

import (
	"fmt"
	"slices"
	"strings"
)

// Namespace that can be reached.
type Namespace struct {
	Name string
	// Criticality as its label says, such as "critical"; empty for none.
	Criticality string
	// Restricted: Pod Security Admission keeps pods in it away from their node.
	Restricted bool
}

// Inventory is what there is in the cluster to be reached. What is nil is not known.
type Inventory struct {
	Namespaces []Namespace
	// Secrets and Pods by namespace: their names.
	Secrets, Pods map[string][]string
	// Nodes by name.
	Nodes []string
	// Namespaced tells which resources live in namespaces.
	Namespaced func(group, resource string) bool
}

// Reach is what rights come to in a cluster. Admission other than Pod Security
// is not taken into account, so that it is rather too large than too small.
type Reach struct {
	ClusterAdmin bool `json:"clusterAdmin"`
	// SecretsReadable is the number of Secrets; that of namespaces with readable ones where Secrets are not known.
	SecretsReadable int `json:"secretsReadable"`
	// Namespaces in which something can be changed or a Secret read.
	Namespaces int `json:"namespaces"`
	// PodsExec is the number of pods in which commands can be run.
	PodsExec int `json:"podsExec"`
	// Nodes through their kubelets, or through new pods that mount them.
	Nodes            int  `json:"nodes"`
	CanEscalate      bool `json:"canEscalate"`
	CanBind          bool `json:"canBind"`
	CanImpersonate   bool `json:"canImpersonate"`
	CanCreatePods    bool `json:"canCreatePods"`
	CanRequestTokens bool `json:"canRequestTokens"`
	// TakesOver are other identities and roles that these rights can be turned into, at most 16.
	TakesOver []string `json:"takesOver"`
	// BecomesClusterAdmin: in the end everything can be had by them.
	BecomesClusterAdmin bool `json:"becomesClusterAdmin"`
	// Worst of it in words, at most eight, the worst first.
	Worst []string `json:"worst"`
	// Bindings that grant something, at most 32.
	Bindings []string `json:"bindings"`
}

const (
	maxWorst    = 8
	maxBindings = 32
	maxThefts   = 16
)

// permission is a verb on a resource.
type permission struct{ verb, group, resource string }

var (
	readSecrets = []permission{{"get", "", "secrets"}, {"list", "", "secrets"}, {"watch", "", "secrets"}}
	// Since commands run over WebSockets, get is as good as create.
	runCommands = permissions([]string{"create", "get"}, "", "pods/exec", "pods/attach")
	// Debug containers run commands as well, and so does another image.
	addContainers = permissions([]string{"update", "patch"}, "", "pods/ephemeralcontainers", "pods")
	useKubelets   = permissions([]string{"create", "get"}, "", "nodes/proxy")
	makePods      = slices.Concat(
		[]permission{{"create", "", "pods"}},
		permissions([]string{"create", "update", "patch"}, "", "replicationcontrollers"),
		permissions([]string{"create", "update", "patch"}, "apps", "deployments", "replicasets", "statefulsets", "daemonsets"),
		permissions([]string{"create", "update", "patch"}, "batch", "jobs", "cronjobs"))
	escalate      = permissions([]string{"escalate"}, "rbac.authorization.k8s.io", "roles", "clusterroles")
	bind          = permissions([]string{"bind"}, "rbac.authorization.k8s.io", "roles", "clusterroles")
	impersonate   = permissions([]string{"impersonate"}, "", "users", "groups", "serviceaccounts")
	requestTokens = []permission{{"create", "", "serviceaccounts/token"}}
)

func permissions(verbs []string, group string, resources ...string) []permission {
	var all []permission
	for _, verb := range verbs {
		for _, resource := range resources {
			all = append(all, permission{verb, group, resource})
		}
	}
	return all
}

// ReadsSecrets says whether any Secret may be read; if not, none need be counted.
func (r Rights) ReadsSecrets() bool { return r.anywhere(readSecrets) }

// RunsCommands says whether commands may be run in any pod.
func (r Rights) RunsCommands() bool { return r.anywhere(runCommands) || r.anywhere(addContainers) }

// UsesNodes says whether any node may be reached.
func (r Rights) UsesNodes() bool { return r.anywhere(useKubelets) || r.anywhere(makePods) }

func (r Rights) anywhere(some []permission) bool {
	return slices.ContainsFunc(some, func(p permission) bool { return r.Somewhere(p.verb, p.group, p.resource) })
}

// Reach computes how far a subject's rights go in the cluster: the counts are of what
// it may do as itself, and beside them stands what it can turn into.
func (o Objects) Reach(r Rights, i Inventory) Reach {
	spread, thefts := o.Spread(r, i.Namespaces)
	return r.in(i, spread, thefts)
}

func (r Rights) in(i Inventory, spread Rights, thefts []Theft) Reach {
	reach := Reach{
		ClusterAdmin:     r.Everything(),
		CanEscalate:      r.anywhere(escalate),
		CanBind:          r.anywhere(bind),
		CanImpersonate:   r.CanImpersonate(),
		CanCreatePods:    r.anywhere(makePods),
		CanRequestTokens: r.anywhere(requestTokens),
		Nodes:            len(r.nodes(i)),
		TakesOver:        []string{},
		Bindings:         r.bindings(),
	}
	reach.BecomesClusterAdmin = !reach.ClusterAdmin && spread.Everything()
	for _, t := range thefts[:min(len(thefts), maxThefts)] {
		reach.TakesOver = append(reach.TakesOver, t.String())
	}
	var secrets, pods []string
	for _, n := range i.Namespaces {
		readable := r.secretsIn(n.Name, i)
		if readable > 0 {
			secrets = append(secrets, n.with(readable))
		}
		runnable := r.podsIn(n.Name, i)
		if runnable > 0 {
			pods = append(pods, n.with(runnable))
		}
		if readable > 0 || r.ChangesIn(n.Name, i.Namespaced) {
			reach.Namespaces++
		}
		reach.SecretsReadable += readable
		reach.PodsExec += runnable
	}
	reach.Worst = reach.worst(len(i.Nodes), secrets, pods, thefts)
	return reach
}

// with adds a count, and how much the namespace matters.
func (n Namespace) with(count int) string {
	if n.Criticality == "" {
		return fmt.Sprintf("%s (%d)", n.Name, count)
	}
	return fmt.Sprintf("%s (%s, %d)", n.Name, n.Criticality, count)
}

// secretsIn counts the Secrets that can be read; 1 stands for any where they are not known.
func (r Rights) secretsIn(namespace string, i Inventory) int {
	if i.Secrets == nil {
		if r.reachable(readSecrets, namespace) {
			return 1
		}
		return 0
	}
	return r.count(readSecrets, namespace, i.Secrets[namespace])
}

func (r Rights) podsIn(namespace string, i Inventory) int {
	return r.count(slices.Concat(runCommands, addContainers), namespace, i.Pods[namespace])
}

func (r Rights) count(some []permission, namespace string, names []string) int {
	if r.allowsAny(some, namespace, "") {
		return len(names)
	}
	if !r.reachable(some, namespace) {
		return 0
	}
	count := 0
	for _, name := range names {
		if r.allowsAny(some, namespace, name) {
			count++
		}
	}
	return count
}

func (r Rights) allowsAny(some []permission, namespace, name string) bool {
	return slices.ContainsFunc(some, func(p permission) bool {
		return r.Allows(Request{Verb: p.verb, Group: p.group, Resource: p.resource, Namespace: namespace, Name: name})
	})
}

// reachable is allowsAny with restrictions to named objects lifted.
func (r Rights) reachable(some []permission, namespace string) bool {
	return r.within(namespace).anywhere(some)
}

func (r Rights) within(namespace string) Rights {
	inside := Rights{Unlimited: r.Unlimited}
	for _, g := range r.Grants {
		if g.holdsIn(namespace) {
			inside.Grants = append(inside.Grants, g)
		}
	}
	return inside
}

// nodes that can be reached by name. A pod that may mount its node can be told which one that is.
func (r Rights) nodes(i Inventory) []string {
	for _, n := range i.Namespaces {
		if !n.Restricted && r.reachable(makePods, n.Name) {
			return i.Nodes
		}
	}
	var found []string
	for _, node := range i.Nodes {
		if r.allowsAny(useKubelets, "", node) {
			found = append(found, node)
		}
	}
	return found
}

func (r Rights) bindings() []string {
	found := []string{}
	for _, g := range r.Grants {
		if len(found) < maxBindings && !slices.Contains(found, g.Binding) {
			found = append(found, g.Binding)
		}
	}
	return found
}

func (r Reach) worst(nodes int, secrets, pods []string, thefts []Theft) []string {
	found := []string{}
	say := func(is bool, format string, args ...any) {
		if is && len(found) < maxWorst {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	say(r.ClusterAdmin, "everything: cluster-admin")
	if r.BecomesClusterAdmin { // the last theft is the one that gives it
		say(true, "becomes cluster-admin: %s", thefts[len(thefts)-1])
	}
	say(r.CanImpersonate, "acts as others by impersonation")
	say(r.CanEscalate, "gives itself any right (escalate)")
	say(r.CanBind, "binds itself to roles that hold more (bind)")
	say(r.Nodes > 0, "%d of %d nodes", r.Nodes, nodes)
	say(len(thefts) > 0 && !r.BecomesClusterAdmin, "takes over %s", words(thefts, 3))
	say(r.CanRequestTokens, "tokens of other ServiceAccounts")
	say(len(secrets) > 0, "Secrets in %s", few(secrets))
	say(len(pods) > 0, "commands in pods of %s", few(pods))
	return found
}

// few names those that matter first, and how many more there are.
func few(all []string) string {
	const shown = 5
	marked := func(s string) int {
		for rank, criticality := range []string{"(critical,", "(high,"} {
			if strings.Contains(s, criticality) {
				return rank
			}
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b string) int { return marked(a) - marked(b) })
	if len(all) <= shown {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more namespaces", strings.Join(all[:shown], ", "), len(all)-shown)
}
