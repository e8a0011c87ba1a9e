package trial

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func court(t *testing.T) *Court {
	t.Helper()
	c, err := Open(t.Context(), shared.Get(t).Config, "../../../config")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// parse reads one scenario, whose name, about and expectation are added.
func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	all, err := scenario.Parse([]byte("name: tried\nabout: It is tried.\nexpect: {verdict: TruePositive}\n" + text))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d scenarios: %v", len(all), err)
	}
	return &all[0]
}

const exec = `
events:
- audit: {verb: create, user: mallory, objectRef: {resource: pods, subresource: exec, namespace: shop, name: web-0}, requestURI: "/api/v1/namespaces/shop/pods/web-0/exec?command=sh"}
`

const cluster = `
cluster:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}
- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
- apiVersion: batch/v1
  kind: Job
  metadata: {name: work, namespace: shop}
  spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "i:1"}]}}}
- apiVersion: v1
  kind: Pod
  metadata: {name: web-0, namespace: shop, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: work}], finalizers: [example.com/never]}
  spec: {nodeName: node-1, containers: [{name: c, image: "i:1"}]}
  status: {phase: Running, podIP: 10.244.1.17, podIPs: [{ip: 10.244.1.17}]}
`

// TestPlay: a case comes of it, and nothing stays; so the same may come again, with other answers.
func TestPlay(t *testing.T) {
	c := court(t)
	for _, s := range []*scenario.Scenario{
		parse(t, cluster+exec),
		parse(t, strings.ReplaceAll(cluster, "i:1", "i:2")+exec),
		parse(t, exec),
	} {
		cases, err := c.Play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(cases) != 1 || cases[0].Alerts[0].Spec.Rule != "exec-into-pod" || cases[0].Status.Verdict == "" || cases[0].Took <= 0 {
			t.Fatalf("%+v", cases)
		}
		if o := Judge(s, cases); !strings.Contains(o.String(), " dB") {
			t.Errorf("%s, want a verdict", o)
		}
		gone(t, c, "web-0", &corev1.Pod{})
		gone(t, c, "data", &corev1.PersistentVolumeClaim{})
		gone(t, c, "default", &corev1.ServiceAccount{})
	}
}

func gone(t *testing.T, c *Court, name string, object client.Object) {
	t.Helper()
	if err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, object); !apierrors.IsNotFound(err) {
		t.Errorf("%T %s: %v, want it gone", object, name, err)
	}
}

// TestSet: what stands is what the scenario says, and nothing of the one before.
func TestSet(t *testing.T) {
	c := court(t)
	s := parse(t, cluster+"analyst: {knownAutomation: [{user: ci, namespaces: [shop], reason: it deploys}]}"+exec)
	st, err := c.set(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web-0"}, &pod); err != nil {
		t.Fatal(err)
	}
	if pod.Status.PodIP != "10.244.1.17" || pod.Status.Phase != corev1.PodRunning {
		t.Errorf("status: %+v", pod.Status)
	}
	if owners := pod.OwnerReferences; len(owners) != 1 || owners[0].UID == "" {
		t.Errorf("owners: %+v", owners)
	}
	if err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: "default"}, &v1alpha1.Analyst{}); err != nil {
		t.Error(err)
	}
	if err := st.strike(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err = c.set(t.Context(), parse(t, "cluster: [{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: shop}}]"+exec)); err != nil {
		t.Fatal(err)
	}
	var shop corev1.Namespace
	if err := c.admin.Get(t.Context(), client.ObjectKey{Name: "shop"}, &shop); err != nil {
		t.Fatal(err)
	}
	if shop.Labels["team"] != "" {
		t.Errorf("labels of the scenario before: %v", shop.Labels)
	}
	if err := st.strike(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestBroken: the error says which scenario, and which of its parts.
func TestBroken(t *testing.T) {
	const pod = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: shop}}"
	tests := map[string]struct {
		text string
		want []string
	}{
		"an object":         {"cluster: [" + pod + ", {apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop}, spec: {}}]" + exec, []string{"cluster[1], Pod shop/web-0", "spec.containers"}},
		"the same twice":    {"cluster: [" + pod + ", " + pod + "]" + exec, []string{"cluster[1], ServiceAccount shop/a", "already exists"}},
		"an unknown kind":   {"cluster: [{apiVersion: v1, kind: Pood, metadata: {name: web}}]" + exec, []string{"cluster[0], Pood web", "no matches for kind"}},
		"no such owner":     {"cluster: [{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: shop, ownerReferences: [{apiVersion: v1, kind: Pod, name: none}]}}]" + exec, []string{"cluster[0], Secret shop/a", "ownerReferences[0]", "earlier"}},
		"a status":          {"cluster: [{apiVersion: v1, kind: Node, metadata: {name: node-9}, status: {addresses: 3}}]" + exec, []string{"cluster[0], Node node-9"}},
		"an analyst":        {"analyst: {knownAutomation: [{user: ci, namespaces: [shop]}]}" + exec, []string{"analyst", "reason"}},
		"an event":          {"events: [{falco: {rule: R, priority: 3}}]", []string{"events[0]", "priority"}},
		"an event of Falco": {"history: [{every: 1h, for: 1h, falco: {rule: R, tags: 3}}]" + exec, []string{"history[0]", "tags"}},
	}
	c := court(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.Play(t.Context(), parse(t, tt.text))
			for _, want := range append(tt.want, "scenario tried") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q in it", err, want)
				}
			}
		})
	}
	gone(t, c, "a", &corev1.ServiceAccount{})
}
