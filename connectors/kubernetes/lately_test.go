package kubernetes_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// lists notes what is listed, and which lists may be older than the latest.
type lists struct {
	http.RoundTripper
	mu   sync.Mutex
	seen []string
}

func (l *lists) RoundTrip(r *http.Request) (*http.Response, error) {
	_, what, _ := strings.Cut(r.URL.Path, "/namespaces/")
	if _, resource, ok := strings.Cut(what, "/"); ok && r.Method == http.MethodGet && !strings.Contains(resource, "/") {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seen = append(l.seen, strings.TrimSpace(resource+" "+r.URL.Query().Get("resourceVersionMatch")))
	}
	return l.RoundTripper.RoundTrip(r)
}

func (l *lists) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := slices.Sorted(slices.Values(l.seen))
	l.seen = nil
	return seen
}

// Pods are counted and effects observed as they are; the rest of a plan may be a moment old.
func TestWhatMayBeAMomentOld(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.create(t, w.pod("web-0", nil))
	seen, now := &lists{}, clocktesting.NewFakePassiveClock(time.Now())
	cfg := rest.CopyConfig(w.operator)
	cfg.Wrap(func(inner http.RoundTripper) http.RoundTripper { seen.RoundTripper = inner; return seen })
	c, err := kubernetes.New(cfg, w.namespace, "connector", kubernetes.Options{Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	r := request("isolate-pod", "pod", w.namespace+"/web-0")
	w.create(t, w.deploymentOf("web", map[string]string{"app": "web"}))
	workload := request("isolate-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web")
	steps := []struct {
		name string
		do   func()
		want []string
	}{
		{"the first plan", func() { plan(t, c, r) }, []string{"networkpolicies", "pods", "services"}},
		{"a plan soon after", func() { plan(t, c, r) }, []string{"networkpolicies NotOlderThan", "pods", "services NotOlderThan"}},
		{"a question soon after", func() { ask(t, c, "network-rules", "pod", w.namespace+"/web-0") }, []string{"networkpolicies NotOlderThan"}},
		{"an observation soon after", func() { wantObserved(t, c, r, plan(t, c, r), "Absent") },
			[]string{"networkpolicies", "networkpolicies NotOlderThan", "pods", "services NotOlderThan"}},
		{"an observation of a workload", func() { wantObserved(t, c, workload, plan(t, c, workload), "Absent") },
			[]string{"networkpolicies", "networkpolicies NotOlderThan", "pods", "pods", "services NotOlderThan", "services NotOlderThan"}},
		{"a plan much later", func() { now.SetTime(now.Now().Add(time.Second)); plan(t, c, r) }, []string{"networkpolicies", "pods", "services"}},
	}
	for _, step := range steps {
		step.do()
		if diff := cmp.Diff(step.want, seen.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
