package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
)

// What roles and questions are made of. Wildcards are in both: they may be asked for.
var (
	genNamespaces = []string{"red", "green", "blue"}
	genVerbs      = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "approve", "*"}
	genGroups     = []string{"", "apps", "batch", rbacv1.GroupName, "certificates.k8s.io", "example.com", "*"}
	genResources  = []string{
		"secrets", "pods", "pods/exec", "pods/attach", "pods/log", "pods/ephemeralcontainers", "serviceaccounts", "serviceaccounts/token", "nodes", "nodes/proxy",
		"users", "groups", "deployments", "deployments/scale", "daemonsets", "jobs", "cronjobs", "replicationcontrollers",
		"roles", "clusterroles", "rolebindings", "clusterrolebindings", "signers", "widgets", "*", "*/exec", "*/scale", "pods/*", "*/*",
	}
	genNames = []string{"a", "b", "system:masters", "web"}
	genPaths = []string{"/", "/metrics", "/metrics/*", "/logs/a", "/logs/*", "/api*", "/healthz", "*"}
	genAsked = []string{"/", "/metrics", "/metrics/", "/metrics/cadvisor", "/logs", "/logs/a", "/logs/ab", "/api", "/apis/apps", "/healthz", "/version", "/openapi/v3"}
)

// generator makes bindings of all shapes; the same seed makes the same.
type generator struct{ *rand.Rand }

func (g generator) one(of []string) string { return of[g.IntN(len(of))] }

func (g generator) some(of []string, most int) []string {
	var found []string
	for range 1 + g.IntN(most) {
		if w := g.one(of); !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	return found
}

func (g generator) rules(paths bool) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for range 1 + g.IntN(3) {
		r := rbacv1.PolicyRule{Verbs: g.some(genVerbs[:12], 3)}
		if g.IntN(12) == 0 {
			r.Verbs = []string{"*"}
		}
		if paths && g.IntN(5) == 0 {
			r.NonResourceURLs = g.some(genPaths, 2)
			all = append(all, r)
			continue
		}
		r.APIGroups, r.Resources = g.some(genGroups, 3), g.some(genResources, 3)
		if g.IntN(3) == 0 {
			r.ResourceNames = g.some(genNames, 2)
		}
		all = append(all, r)
	}
	return all
}

func (g generator) subjects(namespaced bool) []rbacv1.Subject {
	var all []rbacv1.Subject
	for range 1 + g.IntN(2) {
		namespace := g.one(genNamespaces)
		switch g.IntN(6) {
		case 0:
			all = append(all, rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: g.one([]string{"eve", "adam", "system:serviceaccount:red:web", "system:anonymous"})})
		case 1:
			all = append(all, rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: g.one([]string{"devs", "system:serviceaccounts:green", "system:authenticated", "system:unauthenticated"})})
		case 2:
			if namespaced { // its namespace is the binding's
				namespace = ""
			}
			fallthrough
		default:
			all = append(all, rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: g.one([]string{"web", "ops", "default"})})
		}
	}
	return all
}

// objects are roles and bindings, some of roles that do not exist. An aggregated role
// holds what the cluster's controller put there, or nothing yet.
func (g generator) objects() []client.Object {
	meta := func(namespace, kind string, i int) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("gen-%s-%d", kind, i)}
	}
	var all []client.Object
	for _, n := range genNamespaces {
		all = append(all, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}})
	}
	for i := range 40 {
		role := &rbacv1.ClusterRole{ObjectMeta: meta("", "cluster", i), Rules: g.rules(true)}
		if i%8 == 0 {
			role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"gen": "yes"}}}}
		}
		if i%16 == 0 {
			role.Rules = nil
		}
		all = append(all, role, &rbacv1.Role{ObjectMeta: meta(g.one(genNamespaces), "role", i), Rules: g.rules(false)})
	}
	for i := range 25 {
		all = append(all, &rbacv1.ClusterRoleBinding{ObjectMeta: meta("", "binding", i), Subjects: g.subjects(false), RoleRef: rbacv1.RoleRef{
			APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: fmt.Sprintf("gen-cluster-%d", g.IntN(42)),
		}})
	}
	for i := range 80 {
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: fmt.Sprintf("gen-cluster-%d", g.IntN(42))}
		if i%2 == 0 {
			ref.Kind, ref.Name = "Role", fmt.Sprintf("gen-role-%d", g.IntN(40))
		}
		all = append(all, &rbacv1.RoleBinding{ObjectMeta: meta(g.one(genNamespaces), "binding", i), Subjects: g.subjects(true), RoleRef: ref})
	}
	return all
}

func (g generator) question() rbac.Request {
	if g.IntN(12) == 0 {
		return rbac.Request{Verb: g.one(genVerbs), Path: g.one(genAsked)}
	}
	q := rbac.Request{Verb: g.one(genVerbs), Group: g.one(genGroups), Resource: g.one(genResources), Namespace: g.one(append(genNamespaces, "", "nowhere"))}
	if g.IntN(2) == 0 {
		q.Name = g.one(append(genNames, "other"))
	}
	return q
}

func genSubjects() []rbac.Subject {
	return []rbac.Subject{
		rbac.ServiceAccount("red", "web"), rbac.ServiceAccount("red", "ops"), rbac.ServiceAccount("green", "default"), rbac.ServiceAccount("blue", "ops"),
		rbac.User("eve"), rbac.User("adam", "devs"), rbac.User("system:anonymous"), rbac.User("system:serviceaccount:red:web"), rbac.User("root", "system:masters"),
	}
}

// genSeed makes a failure come again.
const genSeed = 1

var makeGenerated sync.Once

// generated returns the shared API server with what the generator makes, once the
// authorizer has heard of all of it.
func generated(t *testing.T) client.Client {
	t.Helper()
	api := shared.Get(t).Client
	makeGenerated.Do(func() {
		for _, o := range append(generator{rand.New(rand.NewPCG(genSeed, 0))}.objects(), sentinels()...) {
			if err := api.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		for _, user := range []string{"last", "last-here"} {
			inForce(t, api, rbac.User(user), rbac.Request{Verb: "watch", Group: "example.com", Resource: "widgets", Namespace: "blue"})
		}
	})
	return api
}

// sentinels are the last of each kind to be heard of.
func sentinels() []client.Object {
	rules := []rbacv1.PolicyRule{rule("watch", "example.com", "widgets")}
	meta := func(namespace string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: "last"} }
	to := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: name}}
	}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: "last"}
	}
	return []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: meta(""), Rules: rules}, &rbacv1.Role{ObjectMeta: meta("blue"), Rules: rules},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta(""), Subjects: to("last"), RoleRef: ref("ClusterRole")},
		&rbacv1.RoleBinding{ObjectMeta: meta("blue"), Subjects: to("last-here"), RoleRef: ref("Role")},
	}
}

// What roles and bindings of all shapes grant, as the evaluator and as the API
// server's authorizer see it, is the same for every question that is asked.
func TestAgreesOnGeneratedQuestions(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	const questionsEach = 1400
	api := generated(t)
	objects := collect(t, api)
	var group sync.WaitGroup
	var mu sync.Mutex
	allowed, asked := 0, 0
	for n, subject := range genSubjects() {
		g := generator{rand.New(rand.NewPCG(genSeed, uint64(n+1)))}
		rights := objects.Evaluate(subject)
		group.Go(func() {
			yes := 0
			for range questionsEach {
				q := g.question()
				want := authorized(t, api, subject, q)
				if got := rights.Allows(q); got != want {
					t.Errorf("%s: %+v: got %t, the API server says %t", subject.User, q, got, want)
				}
				if want {
					yes++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			allowed, asked = allowed+yes, asked+questionsEach
		})
	}
	group.Wait()
	t.Logf("%d questions, %d allowed", asked, allowed)
	if allowed < asked/20 || allowed > asked*19/20 {
		t.Errorf("%d of %d questions are allowed: they tell little", allowed, asked)
	}
}

// What the blast radius counts is what the API server allows, asked one by one.
func TestReachAgreesWithTheAuthorizer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	api := generated(t)
	objects := collect(t, api)
	i := rbac.Inventory{
		Secrets: map[string][]string{}, Pods: map[string][]string{}, Nodes: []string{"a", "b", "c"},
		Namespaced: func(_, resource string) bool { return resource != "nodes" },
	}
	for _, n := range genNamespaces {
		i.Namespaces = append(i.Namespaces, rbac.Namespace{Name: n, Restricted: n == "blue"})
		i.Secrets[n], i.Pods[n] = []string{"a", "b", "c"}, []string{"web", "c"}
	}
	for _, subject := range genSubjects() {
		reach := objects.Reach(objects.Evaluate(subject), i)
		ask := authorizer{t, api, subject, map[rbac.Request]bool{}}
		want := rbac.Reach{
			ClusterAdmin: ask.may(rbac.Request{Verb: "*", Group: "*", Resource: "*"}),
			CanEscalate:  ask.anywhere("escalate", rbacv1.GroupName, "roles", "clusterroles"), CanBind: ask.anywhere("bind", rbacv1.GroupName, "roles", "clusterroles"),
			CanImpersonate: ask.anywhere("impersonate", "", "users", "groups", "serviceaccounts"), CanRequestTokens: ask.anywhere("create", "", "serviceaccounts/token"),
			CanCreatePods: ask.makesPods(append(genNamespaces, "")...),
		}
		for _, n := range genNamespaces {
			want.SecretsReadable += ask.count(n, i.Secrets[n], "get secrets", "list secrets", "watch secrets")
			want.PodsExec += ask.count(n, i.Pods[n], "create pods/exec", "get pods/exec", "create pods/attach", "get pods/attach",
				"update pods/ephemeralcontainers", "patch pods/ephemeralcontainers", "update pods", "patch pods")
		}
		want.Nodes = ask.count("", i.Nodes, "create nodes/proxy", "get nodes/proxy")
		if ask.makesPods("red", "green") {
			want.Nodes = len(i.Nodes)
		}
		got := rbac.Reach{
			ClusterAdmin: reach.ClusterAdmin, CanEscalate: reach.CanEscalate, CanBind: reach.CanBind, CanImpersonate: reach.CanImpersonate,
			CanRequestTokens: reach.CanRequestTokens, CanCreatePods: reach.CanCreatePods,
			SecretsReadable: reach.SecretsReadable, PodsExec: reach.PodsExec, Nodes: reach.Nodes,
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", subject.User, got, want)
		}
	}
}

// authorizer asks the API server about one subject, each question once.
type authorizer struct {
	t       *testing.T
	api     client.Client
	subject rbac.Subject
	known   map[rbac.Request]bool
}

func (a authorizer) may(q rbac.Request) bool {
	answer, known := a.known[q]
	if !known {
		answer = authorized(a.t, a.api, a.subject, q)
		a.known[q] = answer
	}
	return answer
}

// anywhere asks in every namespace and without one, for all objects and for each by name.
func (a authorizer) anywhere(verb, group string, resources ...string) bool {
	for _, resource := range resources {
		if a.in(append(genNamespaces, ""), verb, group, resource) {
			return true
		}
	}
	return false
}

func (a authorizer) in(namespaces []string, verb, group, resource string) bool {
	for _, namespace := range namespaces {
		for _, name := range append(genNames, "") {
			if a.may(rbac.Request{Verb: verb, Group: group, Resource: resource, Namespace: namespace, Name: name}) {
				return true
			}
		}
	}
	return false
}

func (a authorizer) makesPods(namespaces ...string) bool {
	if a.in(namespaces, "create", "", "pods") {
		return true
	}
	for _, verb := range []string{"create", "update", "patch"} {
		for group, resources := range map[string][]string{
			"": {"replicationcontrollers"}, "apps": {"deployments", "replicasets", "statefulsets", "daemonsets"}, "batch": {"jobs", "cronjobs"},
		} {
			for _, resource := range resources {
				if a.in(namespaces, verb, group, resource) {
					return true
				}
			}
		}
	}
	return false
}

// count of the objects of which one of the questions, as "verb resource", is allowed.
func (a authorizer) count(namespace string, names []string, questions ...string) int {
	found := 0
	for _, name := range names {
		if slices.ContainsFunc(questions, func(question string) bool {
			verb, resource, _ := strings.Cut(question, " ")
			q := rbac.Request{Verb: verb, Resource: resource, Namespace: namespace}
			all := a.may(q)
			q.Name = name
			return all || a.may(q)
		}) {
			found++
		}
	}
	return found
}
