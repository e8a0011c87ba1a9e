package activity

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const controllerManager = "system:serviceaccount:kube-system:replicaset-controller"

// podOf is the creation of a pod of a ReplicaSet by the control plane, as it is logged
// at level Request: the API server chooses the name.
func podOf(replicaSet, image string, edits ...func(map[string]any)) map[string]any {
	raw := event("create", "pods", "shop", "", append([]func(map[string]any){set("user", map[string]any{"username": controllerManager})}, edits...)...)
	raw["requestObject"] = map[string]any{
		"kind": "Pod",
		"metadata": map[string]any{
			"generateName": replicaSet + "-", "labels": map[string]any{"pod-template-hash": "79fc758899"},
			"ownerReferences": []any{map[string]any{"kind": "ReplicaSet", "name": replicaSet, "controller": true}},
		},
		"spec": map[string]any{"containers": []any{map[string]any{"image": image}}, "initContainers": []any{map[string]any{"image": image}}},
	}
	return raw
}

// owned is the creation of something by the control plane on behalf of something else.
func owned(resource, name, owner string) map[string]any {
	raw := event("create", resource, "shop", name, set("user", map[string]any{"username": controllerManager}))
	raw["objectRef"].(map[string]any)["apiGroup"] = "batch"
	raw["requestObject"] = map[string]any{"metadata": map[string]any{
		"name": name, "ownerReferences": []any{map[string]any{"name": owner, "controller": true}},
	}}
	return raw
}

// runs is an alert about a process in a pod that talks to an address.
func runs(pod, process, address string, at time.Time) v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{Rule: "r", FirstSeen: metav1.NewMicroTime(at), Entities: []v1alpha1.Entity{
		{Type: v1alpha1.EntityPod, Value: pod, Role: v1alpha1.RoleActor}, {Type: v1alpha1.EntityProcess, Value: process},
		{Type: v1alpha1.EntityDomain, Value: address}, {Type: v1alpha1.EntityContainerImage, Value: "nginx:1.27"},
	}}
}

func TestWorkload(t *testing.T) {
	m := New(DefaultLimits)
	m.Record("soc", podOf("web-79fc758899", "nginx"), noon)
	m.Record("soc", podOf("odd-name", "nginx"), noon)
	m.Record("soc", owned("jobs", "backup-29123456", "backup"), noon)
	pod := owned("pods", "", "backup-29123456")
	pod["objectRef"].(map[string]any)["apiGroup"] = ""
	pod["requestObject"].(map[string]any)["metadata"].(map[string]any)["generateName"] = "backup-29123456-"
	delete(pod["requestObject"].(map[string]any)["metadata"].(map[string]any), "name")
	m.Record("soc", pod, noon)
	forged := podOf("api-1", "nginx", set("user", map[string]any{"username": web}))
	m.Record("soc", forged, noon)

	tests := map[string]struct {
		subject     Subject
		want        string
		wantGuessed bool
	}{
		"a workload":                                   {Subject{Workload: "Deployment/shop/web", Pod: "shop/other-0"}, "shop/web", false},
		"a pod of a Deployment":                        {Subject{Pod: "shop/web-79fc758899-mgj2w"}, "shop/web", false},
		"a pod of a ReplicaSet of its own":             {Subject{Pod: "shop/odd-name-mgj2w"}, "shop/odd-name", false},
		"a pod of a CronJob":                           {Subject{Pod: "shop/backup-29123456-mgj2w"}, "shop/backup", false},
		"an owner that the control plane did not name": {Subject{Pod: "shop/api-1-mgj2w"}, "shop/api-1", true},
		"guessed: a Deployment":                        {Subject{Pod: "pay/web-79fc758899-mgj2w"}, "pay/web", true},
		"guessed: a CronJob":                           {Subject{Pod: "pay/backup-29123456-mgj2w"}, "pay/backup", true},
		"guessed: a DaemonSet":                         {Subject{Pod: "kube-system/kube-proxy-x7k2p"}, "kube-system/kube-proxy", true},
		"guessed: a StatefulSet":                       {Subject{Pod: "pay/ledger-db-0"}, "pay/ledger-db", true},
		"guessed: a pod by itself":                     {Subject{Pod: "pay/debugger"}, "pay/debugger", true},
		"guessed: nothing but an ending":               {Subject{Pod: "pay/-0"}, "pay/-0", true},
		"nothing":                                      {Subject{}, "", false},
		"no pod":                                       {Subject{Pod: "web"}, "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, guessed := m.tenants["soc"].workload(test.subject); got != test.want || guessed != test.wantGuessed {
				t.Errorf("%q, guessed %v, want %q, %v", got, guessed, test.want, test.wantGuessed)
			}
		})
	}
}

func TestProcessesAndDestinations(t *testing.T) {
	m := New(DefaultLimits)
	for i := range 3 {
		m.RecordAlert("soc", runs("shop/web-79fc758899-mgj2w", "/bin/sh", "Example.COM.", noon.Add(time.Duration(i-48)*time.Hour)))
	}
	m.RecordAlert("soc", runs("shop/web-79fc758899-x7k2p", "/tmp/miner", "203.0.113.7", noon))
	m.RecordAlert("soc", v1alpha1.AlertSpec{Rule: "no pod", Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityProcess, Value: "/bin/sh"}}})

	known := Familiarity{SeenBefore: true, FirstSeen: noon.Add(-48 * time.Hour), Known: 48 * time.Hour, Count: 3, Hours: 3, BaselineAge: 48 * time.Hour}
	unknown := Familiarity{BaselineAge: 48 * time.Hour}
	pod := Subject{Pod: "shop/web-79fc758899-x7k2p"}
	process := func(namespace string, of Subject, name string) func() (OfWorkload, bool) {
		return func() (OfWorkload, bool) { return m.Process(namespace, of, name, noon) }
	}
	destination := func(name string) func() (OfWorkload, bool) {
		return func() (OfWorkload, bool) { return m.Destination("soc", pod, name, noon) }
	}
	tests := map[string]struct {
		ask    func() (OfWorkload, bool)
		want   OfWorkload
		wantOK bool
	}{
		"a usual process, in another pod": {process("soc", pod, "/bin/sh"), OfWorkload{Familiarity: known, Workload: "shop/web", Guessed: true, WorkloadSeenBefore: true}, true},
		"a new process":                   {process("soc", pod, "/tmp/miner"), OfWorkload{Familiarity: unknown, Workload: "shop/web", Guessed: true, WorkloadSeenBefore: true}, true},
		"another workload":                {process("soc", Subject{Workload: "Deployment/shop/api"}, "/bin/sh"), OfWorkload{Familiarity: unknown, Workload: "shop/api"}, true},
		"another tenant":                  {process("other", pod, "/bin/sh"), OfWorkload{}, false},
		"no workload":                     {process("soc", Subject{}, "/bin/sh"), OfWorkload{}, false},
		"a usual domain":                  {destination("example.com"), OfWorkload{Familiarity: known, Workload: "shop/web", Guessed: true, WorkloadSeenBefore: true, Outside: true}, true},
		"a new address":                   {destination("203.0.113.7"), OfWorkload{Familiarity: unknown, Workload: "shop/web", Guessed: true, WorkloadSeenBefore: true, Outside: true}, true},
		"an address inside":               {destination("10.0.0.1"), OfWorkload{Familiarity: unknown, Workload: "shop/web", Guessed: true, WorkloadSeenBefore: true}, true},
		"a name inside":                   {destination("api.shop.svc"), OfWorkload{Familiarity: unknown, Workload: "shop/web", Guessed: true, WorkloadSeenBefore: true}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := test.ask()
			if diff := cmp.Diff(test.want, got); diff != "" || ok != test.wantOK {
				t.Errorf("%v, (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestImages(t *testing.T) {
	m := New(DefaultLimits)
	m.Record("soc", podOf("web", "ghcr.io/shop/web:1"), noon.Add(-30*time.Hour))
	m.Record("soc", podOf("web", "evil.example/refused", code(403)), noon.Add(-30*time.Hour))
	m.Record("soc", podOf("web", "evil.example/dry", set("requestURI", "/x?dryRun=All")), noon.Add(-30*time.Hour))
	m.RecordAlert("soc", runs("shop/web-0", "/bin/sh", "a.example", noon.Add(-20*time.Hour)))
	m.Record("soc", podOf("web", "evil.example/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), noon)
	patch := event("patch", "deployments", "shop", "web")
	patch["objectRef"].(map[string]any)["apiGroup"] = "apps"
	patch["requestObject"] = []any{map[string]any{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "quay.io/shop/api:2"}}
	m.Record("soc", patch, noon.Add(-10*time.Hour))

	since := func(hours, in int) Familiarity {
		return Familiarity{SeenBefore: true, FirstSeen: noon.Add(-time.Duration(hours) * time.Hour), Known: time.Duration(hours) * time.Hour, Count: in, Hours: 1, BaselineAge: 30 * time.Hour}
	}
	never := Familiarity{BaselineAge: 30 * time.Hour}
	tests := map[string]struct {
		namespace, image string
		want             OfNamespace
	}{
		"another tag":                       {"shop", "ghcr.io/shop/web:2", OfNamespace{Familiarity: since(30, 1), Repository: "ghcr.io/shop/web", RegistryName: "ghcr.io", Registry: since(30, 1)}},
		"another image of a known registry": {"shop", "ghcr.io/other", OfNamespace{Familiarity: never, Repository: "ghcr.io/other", RegistryName: "ghcr.io", Registry: since(30, 1)}},
		"an alert's, in short":              {"shop", "docker.io/library/nginx", OfNamespace{Familiarity: since(20, 1), Repository: "docker.io/library/nginx", RegistryName: "docker.io", Registry: since(20, 1)}},
		"by a patch":                        {"shop", "quay.io/shop/api", OfNamespace{Familiarity: since(10, 1), Repository: "quay.io/shop/api", RegistryName: "quay.io", Registry: since(10, 1)}},
		"new now":                           {"shop", "evil.example/x", OfNamespace{Familiarity: never, Repository: "evil.example/x", RegistryName: "evil.example", Registry: never}},
		"in another namespace":              {"pay", "ghcr.io/shop/web", OfNamespace{Familiarity: never, Repository: "ghcr.io/shop/web", RegistryName: "ghcr.io", Registry: never, NamespaceNew: true}},
		"no image's name":                   {"shop", "UPPER CASE", OfNamespace{Familiarity: never, Repository: "UPPER CASE", Registry: never}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := m.Image("soc", test.namespace, test.image, noon)
			if diff := cmp.Diff(test.want, got); diff != "" || !ok {
				t.Errorf("%v, (-want +got):\n%s", ok, diff)
			}
		})
	}
	if _, ok := m.Image("other", "shop", "nginx", noon); ok {
		t.Error("a tenant without any image answers")
	}
}
