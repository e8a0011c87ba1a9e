package correlate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// event is an audit event of a user, from a pod or an address where those are given.
func by(user, pod, address string) map[string]any {
	who := map[string]any{"username": user}
	if pod != "" {
		who["extra"] = map[string]any{"authentication.kubernetes.io/pod-name": []any{pod}}
	}
	e := map[string]any{"stage": "ResponseComplete", "verb": "get", "user": who, "responseStatus": map[string]any{"code": float64(200)}}
	if address != "" {
		e["sourceIPs"] = []any{address}
	}
	return e
}

// did makes an event of a request for an object, as verb resource namespace/name; owner is Kind/name of its controller.
func did(e map[string]any, what, owner string) map[string]any {
	f := strings.Fields(what)
	group := map[string]string{"deployments": "apps", "replicasets": "apps", "jobs": "batch"}[f[1]]
	namespace, name, _ := strings.Cut(f[2], "/")
	e["verb"], e["objectRef"] = f[0], map[string]any{"apiGroup": group, "resource": f[1], "namespace": namespace, "name": name}
	if kind, of, ok := strings.Cut(owner, "/"); ok {
		e["requestObject"] = map[string]any{"metadata": map[string]any{"ownerReferences": []any{map[string]any{"kind": kind, "name": of, "controller": true}}}}
	}
	return e
}

func refused(e map[string]any) map[string]any {
	e["responseStatus"] = map[string]any{"code": float64(403)}
	return e
}

// step is an alert, or an event that happened so many minutes after noon.
type step struct {
	minute int
	event  map[string]any
	// alert by its name and entities.
	alert    string
	entities []string
}

// play groups the alerts by the case that holds them in the end, in order of the first.
func play(i *Index, steps []step) []string {
	joined := map[string]string{}
	for _, s := range steps {
		if s.event != nil {
			i.Observe("soc", s.event, noon.Add(time.Duration(s.minute)*time.Minute))
			continue
		}
		joined[s.alert] = i.join("soc", s.alert, seen{minute: s.minute, entities: s.entities}.spec())
	}
	var got []string
	at := map[string]int{}
	for _, s := range steps {
		if s.event != nil {
			continue
		}
		name := i.root("soc", joined[s.alert])
		if _, known := at[name]; !known {
			at[name] = len(got)
			got = append(got, s.alert)
			continue
		}
		got[at[name]] += " " + s.alert
	}
	return got
}

func TestDerivedLinks(t *testing.T) {
	const (
		eve, web  = "Actor User eve", "Actor ServiceAccount shop/web"
		webUser   = "system:serviceaccount:shop:web"
		deployers = "system:serviceaccount:gitops:deployer"
		rsc, depc = "system:serviceaccount:kube-system:replicaset-controller", "system:serviceaccount:kube-system:deployment-controller"
	)
	alert := func(minute int, name string, entities ...string) step {
		return step{minute: minute, alert: name, entities: entities}
	}
	event := func(minute int, e map[string]any) step { return step{minute: minute, event: e} }
	rollout := []step{
		event(0, did(by("eve", "", ""), "patch deployments shop/web", "")),
		event(0, did(by(depc, "", ""), "create replicasets shop/web-1a", "Deployment/web")),
		event(0, did(by(rsc, "", ""), "create pods shop/web-1a-x", "ReplicaSet/web-1a")),
		event(0, did(by(rsc, "", ""), "create pods shop/web-1a-y", "ReplicaSet/web-1a")),
	}
	tests := map[string]struct {
		steps []step
		want  []string
	}{
		"a created pod is its creator's": {
			steps: []step{alert(0, "eve", eve), event(1, did(by("eve", "", ""), "create pods shop/tmp", "")), alert(2, "pod", "Actor Pod shop/tmp")},
			want:  []string{"eve pod"},
		},
		"whatever comes first": {
			steps: []step{event(0, did(by("eve", "", ""), "create pods shop/tmp", "")), alert(1, "pod", "Actor Pod shop/tmp"), alert(2, "eve", eve)},
			want:  []string{"pod eve"},
		},
		"two pods of a creator stay apart": {
			steps: []step{
				event(0, did(by("eve", "", ""), "create pods shop/a", "")), event(0, did(by("eve", "", ""), "create pods shop/b", "")),
				alert(1, "a", "Actor Pod shop/a"), alert(2, "b", "Actor Pod shop/b"),
			},
			want: []string{"a", "b"},
		},
		"what was refused created nothing": {
			steps: []step{alert(0, "eve", eve), event(1, refused(did(by("eve", "", ""), "create pods shop/tmp", ""))), alert(2, "pod", "Actor Pod shop/tmp")},
			want:  []string{"eve", "pod"},
		},
		"reading a pod does not create it": {
			steps: []step{alert(0, "eve", eve), event(1, did(by("eve", "", ""), "get pods shop/tmp", "")), alert(2, "pod", "Actor Pod shop/tmp")},
			want:  []string{"eve", "pod"},
		},
		"what was created long ago is not": {
			steps: []step{event(0, did(by("eve", "", ""), "create pods shop/tmp", "")), alert(31, "eve", eve), alert(32, "pod", "Actor Pod shop/tmp")},
			want:  []string{"eve", "pod"},
		},
		"a derived link holds half as long": {
			steps: []step{event(0, by(webUser, "web-0", "")), alert(0, "pod", "Actor Pod shop/web-0"), alert(31, "account", web)},
			want:  []string{"pod", "account"},
		},
		"a pod of a workload that was changed, through two controllers": {
			steps: append(rollout, alert(1, "eve", eve, "Target Workload Deployment/shop/web"), alert(2, "x", "Actor Pod shop/web-1a-x"), alert(3, "y", "Actor Pod shop/web-1a-y")),
			want:  []string{"eve x y"},
		},
		"pods of a workload stay apart": {
			steps: append(rollout, alert(2, "x", "Actor Pod shop/web-1a-x"), alert(3, "y", "Actor Pod shop/web-1a-y")),
			want:  []string{"x", "y"},
		},
		"the workload after its pod": {
			steps: append(rollout, alert(2, "x", "Actor Pod shop/web-1a-x"), alert(3, "workload", "Target Workload Deployment/shop/web")),
			want:  []string{"x workload"},
		},
		"a token that is used from a pod's address": {
			steps: []step{
				event(0, by(webUser, "web-0", "10.0.0.7")), alert(1, "pod", "Actor Pod shop/web-0"),
				alert(2, "stolen", "Actor ServiceAccount bank/ledger", "Related IP 10.0.0.7"),
			},
			want: []string{"pod stolen"},
		},
		"the same, the other way round": {
			steps: []step{
				event(0, by(webUser, "web-0", "10.0.0.7")), alert(1, "stolen", "Actor ServiceAccount bank/ledger", "Related IP 10.0.0.7"),
				alert(2, "pod", "Actor Pod shop/web-0"),
			},
			want: []string{"stolen pod"},
		},
		"an address that pods share is nobody's": {
			steps: []step{
				event(0, by(webUser, "web-0", "10.0.0.7")), event(0, by(webUser, "web-1", "10.0.0.7")), alert(1, "pod", "Actor Pod shop/web-0"),
				alert(2, "other", "Actor ServiceAccount bank/ledger", "Related IP 10.0.0.7"),
			},
			want: []string{"pod", "other"},
		},
		"nor is one of the system's pods": {
			steps: []step{
				event(0, by("system:serviceaccount:kube-system:proxy", "proxy-0", "10.0.0.7")), alert(1, "pod", "Actor Pod kube-system/proxy-0"),
				alert(2, "other", "Actor ServiceAccount bank/ledger", "Related IP 10.0.0.7"),
			},
			want: []string{"pod", "other"},
		},
		"an address is given again": {
			steps: []step{
				event(0, by(webUser, "web-0", "10.0.0.7")), event(90, by(webUser, "web-1", "10.0.0.7")), alert(90, "new", "Actor Pod shop/web-1"),
				alert(91, "other", "Actor ServiceAccount bank/ledger", "Related IP 10.0.0.7"),
			},
			want: []string{"new other"},
		},
		"a connection to a pod's address is no use of a token": {
			steps: []step{
				event(0, by(webUser, "web-0", "10.0.0.7")), alert(1, "pod", "Actor Pod shop/web-0"),
				alert(2, "client", "Actor Pod shop/other", "Related IP 10.0.0.7"),
			},
			want: []string{"pod", "client"},
		},
		"the system creates for everybody": {
			steps: []step{
				event(0, did(by(rsc, "", ""), "create pods shop/a", "")), event(0, did(by(rsc, "", ""), "create pods shop/b", "")),
				alert(1, "rsc", "Actor ServiceAccount kube-system/replicaset-controller"), alert(1, "a", "Actor Pod shop/a"), alert(2, "b", "Actor Pod shop/b"),
			},
			want: []string{"rsc", "a", "b"},
		},
		"known automation works for everybody": {
			steps: []step{
				event(0, did(by(deployers, "", ""), "create pods shop/a", "")),
				alert(1, "one", "Actor ServiceAccount gitops/deployer", "Target Workload Deployment/shop/web"),
				alert(1, "two", "Actor ServiceAccount gitops/deployer", "Target Workload Deployment/bank/web"), alert(2, "a", "Actor Pod shop/a"),
				alert(3, "three", "Actor ServiceAccount gitops/deployer", "Target Workload Deployment/shop/web"),
			},
			want: []string{"one three", "two", "a"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			i := NewIndex()
			i.SetAutomation("soc", []string{deployers})
			if diff := cmp.Diff(tt.want, play(i, tt.steps)); diff != "" {
				t.Errorf("cases (-want +got):\n%s", diff)
			}
		})
	}
}

// Links that one tenant's senders tell of are nothing to another.
func TestLinksAreOfATenant(t *testing.T) {
	i := NewIndex()
	i.Observe("other", did(by("eve", "", ""), "create pods shop/tmp", ""), noon)
	if a, b := i.join("soc", "a", alertOf("Actor User eve")), i.join("soc", "b", alertOf("Actor Pod shop/tmp")); a == b {
		t.Error("an event of another tenant joined two alerts")
	}
}

// crowd are entities that thousands of innocents share.
func crowd(r *rand.Rand) []v1alpha1.Entity {
	of := func(t v1alpha1.EntityType, role v1alpha1.EntityRole, values ...string) v1alpha1.Entity {
		return v1alpha1.Entity{Type: t, Role: role, Value: values[r.IntN(len(values))]}
	}
	all := []v1alpha1.Entity{
		of(v1alpha1.EntityNode, v1alpha1.RoleRelated, "n1", "n2", "n3"), of(v1alpha1.EntityNode, v1alpha1.RoleActor, "n1"),
		of(v1alpha1.EntityNamespace, v1alpha1.RoleTarget, "shop", "bank"), of(v1alpha1.EntityContainerImage, v1alpha1.RoleRelated, "shop/web:1", "busybox"),
		of(v1alpha1.EntityIP, v1alpha1.RoleRelated, "10.0.0.1", "10.0.0.2", "127.0.0.1"), of(v1alpha1.EntityProcess, v1alpha1.RoleRelated, "/bin/sh", "curl"),
		of(v1alpha1.EntityFile, v1alpha1.RoleTarget, "/etc/passwd"), of(v1alpha1.EntityGroup, v1alpha1.RoleTarget, "system:masters"),
		of(v1alpha1.EntityUser, v1alpha1.RoleActor, "system:apiserver", "system:anonymous", "system:kube-controller-manager", "system:node:n1", "ci"),
		of(v1alpha1.EntityUser, v1alpha1.RoleRelated, "root", "alice"), of(v1alpha1.EntityServiceAccount, v1alpha1.RoleRelated, "shop/web", "gitops/deployer"),
		of(v1alpha1.EntityServiceAccount, v1alpha1.RoleActor, "kube-system/replicaset-controller", "kube-system/job-controller", "gitops/deployer"),
		of(v1alpha1.EntityHost, v1alpha1.RoleActor, "vm-1"), of(v1alpha1.EntityDomain, v1alpha1.RoleTarget, "example.com"),
	}
	r.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	return all[:r.IntN(len(all))]
}

// TestNoiseStaysApart: thousands of alerts about a pod each, on the same nodes, in the same
// namespaces, under the same accounts, made by the same creators for the same workloads,
// are as many cases, and no more is remembered of them than there is room for.
func TestNoiseStaysApart(t *testing.T) {
	const alerts = 5000
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		i := newIndex(3000)
		i.SetAutomation("soc", []string{"ci", "system:serviceaccount:gitops:deployer"})
		cases := map[string]string{}
		for n := range alerts {
			pod, at := fmt.Sprint("web-", n), noon.Add(time.Duration(r.IntN(3600))*time.Second)
			account, creator := fmt.Sprint("system:serviceaccount:shop:a", r.IntN(3)), []string{"ci", "carol", "system:serviceaccount:kube-system:replicaset-controller"}[r.IntN(3)]
			i.Observe("soc", did(by(creator, "", "10.0.0.9"), "create pods shop/"+pod, fmt.Sprint("ReplicaSet/web-", r.IntN(5))), at)
			i.Observe("soc", by(account, pod, []string{"10.0.0.1", "10.0.0.2"}[r.IntN(2)]), at)
			spec := alertOf()
			spec.FirstSeen.Time = at
			spec.Entities = append(crowd(r), v1alpha1.Entity{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleActor, Value: "shop/" + pod})
			name := i.join("soc", pod, spec)
			if other, known := cases[name]; known {
				t.Fatalf("seed %d: %s joined %s: %v", seed, pod, other, spec.Entities)
			}
			cases[name] = pod
		}
		for again := range alerts { // of which the oldest are forgotten, which makes new cases of them
			n := (again * 7) % alerts
			spec := alertOf()
			spec.FirstSeen.Time = noon.Add(time.Duration(r.IntN(3600)) * time.Second)
			spec.Entities = append(crowd(r), v1alpha1.Entity{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleActor, Value: fmt.Sprint("shop/web-", n)})
			name, joins := i.Join("soc", fmt.Sprint("again-", n), spec)
			if pod, known := cases[name]; known && pod != fmt.Sprint("web-", n) || joins != nil {
				t.Fatalf("seed %d: web-%d joined %s and merged %v: %v", seed, n, pod, joins, spec.Entities)
			}
		}
		if i.entries.Len() > 3000 || len(i.cases) > 3000 || i.links.Len() > maxLinks || i.addresses.Len() > 3 {
			t.Errorf("%d entities of %d cases, %d links, %d addresses are remembered", i.entries.Len(), len(i.cases), i.links.Len(), i.addresses.Len())
		}
	}
}

func FuzzObserve(f *testing.F) {
	f.Add("eve", "web-0", "10.0.0.7", "create", "pods", "shop", "tmp", "Job", "x")
	f.Fuzz(func(_ *testing.T, user, pod, address, verb, resource, namespace, name, kind, owner string) {
		i := newIndex(10)
		e := did(by(user, pod, address), "create pods shop/x", kind+"/"+owner)
		e["verb"], e["objectRef"] = verb, map[string]any{"resource": resource, "namespace": namespace, "name": name}
		for range 3 {
			i.Observe("soc", e, noon)
		}
		i.join("soc", "a", alertOf("Actor Pod "+namespace+"/"+name, "Actor User "+user, "Related IP "+address))
	})
}

func BenchmarkObserve(b *testing.B) {
	i := NewIndex()
	events := make([]map[string]any, 1000)
	for n := range events {
		events[n] = by("system:serviceaccount:shop:web", fmt.Sprint("web-", n), fmt.Sprint("10.0.0.", n))
	}
	for n := 0; b.Loop(); n++ {
		i.Observe("soc", events[n%len(events)], noon)
	}
}
