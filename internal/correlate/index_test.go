package correlate

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// seen is an alert, so many minutes after noon; an entity is written as "role type value".
type seen struct {
	name     string
	minute   int
	entities []string
}

func (s seen) spec() v1alpha1.AlertSpec {
	spec := v1alpha1.AlertSpec{FirstSeen: metav1.NewMicroTime(noon.Add(time.Duration(s.minute) * time.Minute))}
	for _, e := range s.entities {
		f := strings.SplitN(e, " ", 3)
		spec.Entities = append(spec.Entities, v1alpha1.Entity{Role: v1alpha1.EntityRole(f[0]), Type: v1alpha1.EntityType(f[1]), Value: f[2]})
	}
	return spec
}

func TestJoin(t *testing.T) {
	const (
		web     = "Actor ServiceAccount shop/web"
		webPod  = "Actor Pod shop/web-0"
		binding = "Target KubernetesObject clusterrolebindings.rbac.authorization.k8s.io/ops-sync"
	)
	tests := map[string]struct {
		links  map[string]string
		alerts []seen
		// want groups alerts by case, in order of the first.
		want []string
	}{
		"the attack is one case": {
			alerts: []seen{
				{"shell", 0, []string{webPod, "Related Node node-1", "Related ContainerImage shop/web:1"}},
				{"secrets", 1, []string{web, webPod}},
				{"pod", 2, []string{web, webPod, "Target Pod shop/tmp-1"}},
				{"in the created pod", 3, []string{"Actor Pod shop/tmp-1", "Related Node node-1"}},
				{"binding", 4, []string{web, webPod, binding}},
				{"somebody else on the binding", 5, []string{"Actor User mallory", binding}},
			},
			want: []string{"shell secrets pod in the created pod binding somebody else on the binding"},
		},
		"who comes without credentials is known by the address": {
			alerts: []seen{
				{"pods", 0, []string{"Actor User system:anonymous", "Related IP 203.0.113.7"}},
				{"from inside", 1, []string{"Actor User system:anonymous", "Related IP 10.0.0.1"}},
				{"from inside, too", 1, []string{"Actor User system:anonymous", "Related IP 10.0.0.1"}},
				{"from elsewhere", 1, []string{"Actor User system:anonymous", "Related IP 198.51.100.4"}},
				{"secret", 2, []string{"Actor User system:anonymous", "Related IP 203.0.113.7", "Target KubernetesObject secrets/shop/db"}},
				{"with credentials", 3, []string{"Actor User alice", "Related IP 203.0.113.7"}},
				{"an address that is only seen", 4, []string{"Related User system:anonymous", "Related IP 203.0.113.7"}},
			},
			want: []string{"pods secret", "from inside", "from inside, too", "from elsewhere", "with credentials", "an address that is only seen"},
		},
		"a token used outside of its pod": {
			links:  map[string]string{"shop/web-0": "shop/web"},
			alerts: []seen{{"shell", 0, []string{webPod}}, {"secrets", 1, []string{web}}},
			want:   []string{"shell secrets"},
		},
		"the same, the other way round": {
			links:  map[string]string{"shop/web-0": "shop/web"},
			alerts: []seen{{"secrets", 0, []string{web}}, {"shell", 1, []string{webPod}}},
			want:   []string{"secrets shell"},
		},
		"two pods under one account stay apart": {
			links:  map[string]string{"shop/a": "shop/default", "shop/b": "shop/default"},
			alerts: []seen{{"a", 0, []string{"Actor Pod shop/a"}}, {"b", 1, []string{"Actor Pod shop/b"}}},
			want:   []string{"a", "b"},
		},
		"pods under a system account stay apart": {
			links: map[string]string{"kube-system/a": "kube-system/proxy", "kube-system/b": "kube-system/proxy"},
			alerts: []seen{{"a", 0, []string{"Actor Pod kube-system/a"}}, {"proxy", 1, []string{"Actor ServiceAccount kube-system/proxy"}},
				{"b", 2, []string{"Actor Pod kube-system/b"}}},
			want: []string{"a", "proxy", "b"},
		},
		"a node, a namespace, an image, an address and a process join nothing": {
			alerts: []seen{
				{"a", 0, []string{"Actor Pod shop/a", "Related Node n", "Target Namespace shop", "Related ContainerImage i", "Related IP 10.0.0.1", "Related Process /bin/sh", "Related User root"}},
				{"b", 0, []string{"Actor Pod shop/b", "Related Node n", "Target Namespace shop", "Related ContainerImage i", "Related IP 10.0.0.1", "Related Process /bin/sh", "Related User root"}},
				{"host", 0, []string{"Actor Node n", "Target Group system:masters"}},
				{"host again", 0, []string{"Actor Node n", "Target Group system:masters"}},
			},
			want: []string{"a", "b", "host", "host again"},
		},
		"the system's identities join nothing": {
			alerts: []seen{
				{"a", 0, []string{"Actor User system:anonymous", "Target Pod shop/a"}}, {"b", 0, []string{"Actor User system:anonymous", "Target Pod shop/b"}},
				{"c", 0, []string{"Actor ServiceAccount kube-system/job-controller", "Target Pod shop/c"}},
				{"d", 0, []string{"Actor ServiceAccount kube-system/job-controller", "Target Pod shop/d"}},
			},
			want: []string{"a", "b", "c", "d"},
		},
		"the subject of a binding is context": {
			alerts: []seen{
				{"admin", 0, []string{"Actor User admin", "Target KubernetesObject clusterrolebindings.rbac.authorization.k8s.io/deployer", "Related ServiceAccount gitops/deployer"}},
				{"deployer", 1, []string{"Actor ServiceAccount gitops/deployer", "Target KubernetesObject rolebindings.rbac.authorization.k8s.io/catalog/x", "Related ServiceAccount catalog/x"}},
			},
			want: []string{"admin", "deployer"},
		},
		"whoever acts joins what was done to it": {
			alerts: []seen{{"token", 0, []string{"Actor User eve", "Target ServiceAccount shop/web"}}, {"use", 1, []string{web}}},
			want:   []string{"token use"},
		},
		"what links two cases makes them one": {
			alerts: []seen{{"victim", 0, []string{"Actor Pod shop/v"}}, {"attacker", 0, []string{"Actor User eve"}}, {"both", 1, []string{"Target Pod shop/v", "Actor User eve"}}},
			want:   []string{"victim attacker both"},
		},
		"beyond the window": {
			alerts: []seen{{"a", 0, []string{web}}, {"b", 61, []string{web}}, {"c", 62, []string{web}}},
			want:   []string{"a", "b c"},
		},
		"the window slides": {
			alerts: []seen{{"a", 0, []string{web}}, {"b", 60, []string{web}}, {"c", 120, []string{web}}},
			want:   []string{"a b c"},
		},
		"out of order": {
			alerts: []seen{{"late", 59, []string{web}}, {"early", 0, []string{web}}, {"too early", -61, []string{web}}},
			want:   []string{"late early", "too early"},
		},
		"without a strong entity": {
			alerts: []seen{{"a", 0, nil}, {"b", 0, []string{"Related IP 10.0.0.1"}}},
			want:   []string{"a", "b"},
		},
		"the same host": {
			alerts: []seen{{"a", 0, []string{"Actor Host vm-1"}}, {"b", 0, []string{"Actor Host vm-1"}}, {"pod on it", 0, []string{"Actor Host vm-1", "Actor Pod shop/x"}}},
			want:   []string{"a b", "pod on it"},
		},
		"the same file": {
			alerts: []seen{{"a", 0, []string{"Actor Pod shop/a", "Related FileHash abc"}}, {"b", 0, []string{"Actor Pod shop/b", "Related FileHash abc"}}},
			want:   []string{"a b"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			i := NewIndex()
			for pod, account := range tt.links {
				i.link("soc", "Pod:"+pod, "ServiceAccount:"+account, time.Time{})
			}
			var steps []step
			for _, a := range tt.alerts {
				steps = append(steps, step{minute: a.minute, alert: a.name, entities: a.entities})
			}
			got := play(i, steps)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("cases (-want +got):\n%s", diff)
			}
		})
	}
}

// join is Join where only the case counts.
func (i *Index) join(namespace, alert string, spec v1alpha1.AlertSpec) string {
	name, _ := i.Join(namespace, alert, spec)
	return name
}

func alertOf(entities ...string) v1alpha1.AlertSpec { return seen{entities: entities}.spec() }

func TestJoinIsStable(t *testing.T) {
	i := NewIndex()
	first := i.join("soc", "a", alertOf("Actor User eve"))
	i.join("soc", "b", alertOf("Actor User eve"))
	if closed, _ := i.Closed("soc", first); closed {
		t.Error("the case is closed before it was")
	}
	i.Close("soc", first, true)
	i.Close("soc", first, false)
	if closed, byHuman := i.Closed("soc", first); !closed || !byHuman {
		t.Errorf("closed: %t, by a human: %t", closed, byHuman)
	}
	if again := i.join("soc", "a", alertOf("Actor User eve")); again != first {
		t.Errorf("alert a went to %s, then to %s", first, again)
	}
	next := i.join("soc", "c", alertOf("Actor User eve"))
	if next == first {
		t.Error("an alert joined a closed case")
	}
	if other := i.join("other", "d", alertOf("Actor User eve")); other == next {
		t.Error("alerts of two tenants joined")
	}
	// A fresh index gives the same names to the same alerts.
	if again := NewIndex().join("soc", "a", alertOf("Actor User eve")); again != first {
		t.Errorf("a new index names it %s, not %s", again, first)
	}
}

func TestOpened(t *testing.T) {
	i := NewIndex()
	i.Opened("soc", "shop-1", "a", alertOf("Actor Pod shop/web-0", "Actor ServiceAccount shop/web"))
	if got := i.join("soc", "a", alertOf()); got != "shop-1" {
		t.Errorf("the alert went to %s", got)
	}
	if got := i.join("soc", "b", alertOf("Actor ServiceAccount shop/web")); got != "shop-1" {
		t.Errorf("the next alert went to %s", got)
	}
}

func TestSetWindow(t *testing.T) {
	i := NewIndex()
	i.SetWindow("soc", time.Minute)
	a := i.join("soc", "a", seen{"a", 0, []string{"Actor User eve"}}.spec())
	if b := i.join("soc", "b", seen{"b", 2, []string{"Actor User eve"}}.spec()); a == b {
		t.Error("an alert beyond the window joined")
	}
}

func TestNames(t *testing.T) {
	tests := map[string]struct {
		entities   []string
		wantPrefix string
	}{
		"a pod":                  {[]string{"Related IP 10.0.0.1", "Actor Pod shop/web-0"}, "shop-"},
		"a user":                 {[]string{"Actor User Eve@Example.com"}, "eve-example-com-"},
		"a namespaced object":    {[]string{"Target KubernetesObject rolebindings.rbac.authorization.k8s.io/shop/x"}, "shop-"},
		"an object of a cluster": {[]string{"Target KubernetesObject clusterroles.rbac.authorization.k8s.io/helper"}, "helper-"},
		"a workload":             {[]string{"Target Workload Deployment/shop/web"}, "shop-"},
		"nobody":                 {nil, "case-"},
		"nothing that fits":      {[]string{"Actor User ©™"}, "case-"},
		"too long":               {[]string{"Actor User " + strings.Repeat("x", 500)}, strings.Repeat("x", 40) + "-"},
		"too long, cut badly":    {[]string{"Actor User " + strings.Repeat("x", 39) + ".y"}, strings.Repeat("x", 39) + "-"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := NewIndex().join("soc", "a", alertOf(tt.entities...))
			if !strings.HasPrefix(got, tt.wantPrefix) || len(got) != len(tt.wantPrefix)+hashLength {
				t.Errorf("name %s, want %s and %d digits", got, tt.wantPrefix, hashLength)
			}
			if wrong := validation.IsDNS1123Label(got); len(wrong) > 0 {
				t.Errorf("name %s: %v", got, wrong)
			}
		})
	}
}

// TestBounded: what an index remembers has a limit, and forgetting an entity is all that happens.
func TestBounded(t *testing.T) {
	const size = 100
	i := newIndex(size)
	for n := range 10 * size {
		i.join("soc", fmt.Sprint("alert-", n), alertOf(fmt.Sprint("Actor Pod shop/", n), fmt.Sprint("Target Pod shop/t", n)))
	}
	if i.entries.Len() != size || len(i.cases) > size {
		t.Errorf("%d entities of %d cases are remembered, want %d", i.entries.Len(), len(i.cases), size)
	}
	known := 0
	for _, c := range i.cases {
		known += len(c.keys)
	}
	if known != size {
		t.Errorf("the cases know of %d entities, want %d", known, size)
	}
	if newest, joined := i.join("soc", fmt.Sprint("alert-", 10*size-1), alertOf()), i.join("soc", "x", alertOf(fmt.Sprint("Actor Pod shop/", 10*size-1))); newest != joined {
		t.Errorf("the newest entity is forgotten: %s is not %s", joined, newest)
	}
}

func TestConcurrentUse(t *testing.T) {
	i := newIndex(50)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for n := range 200 {
				name := i.join("soc", fmt.Sprint(worker, "-", n), alertOf(fmt.Sprint("Actor Pod shop/", n%70)))
				i.Observe("soc", by("system:serviceaccount:shop:web", fmt.Sprint(n), ""), noon)
				if n%7 == 0 {
					i.Close("soc", name, false)
				}
			}
		})
	}
	group.Wait()
	for key, c := range i.cases {
		if len(c.keys) == 0 {
			t.Errorf("case %v holds nothing", key)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	i := NewIndex()
	specs := make([]v1alpha1.AlertSpec, 1000)
	for n := range specs {
		specs[n] = alertOf(fmt.Sprint("Actor Pod shop/", n), fmt.Sprint("Actor ServiceAccount shop/", n), "Related Node node-1")
	}
	for n := 0; b.Loop(); n++ {
		i.join("soc", fmt.Sprint("alert-", n), specs[n%len(specs)])
	}
}
