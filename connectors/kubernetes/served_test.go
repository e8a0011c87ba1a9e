package kubernetes_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/test/env"
)

// discoveries counts how often it is asked what is served.
type discoveries struct {
	http.RoundTripper
	count atomic.Int32
}

func (d *discoveries) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/apis" {
		d.count.Add(1)
	}
	return d.RoundTripper.RoundTrip(r)
}

// What is served is asked once a minute and not with each question, so that a new kind
// is noticed by then.
func TestWhatIsServedIsAskedOnceAMinute(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	cluster := env.Start(t)
	w := newWorldIn(t, cluster, allRoles...)
	w.create(t, w.owned("web-0", func(*corev1.PodSpec) {}))
	seen, now := &discoveries{}, clocktesting.NewFakePassiveClock(time.Now())
	cfg := rest.CopyConfig(w.operator)
	cfg.Wrap(func(inner http.RoundTripper) http.RoundTripper { seen.RoundTripper = inner; return seen })
	c, err := kubernetes.New(cfg, w.namespace, "connector", kubernetes.Options{Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	found := func() bool {
		t.Helper()
		answer, err := c.Ask(t.Context(), "vulnerabilities", args("pod", w.namespace+"/web-0"))
		if err != nil {
			t.Fatal(err)
		}
		return answer != nil
	}
	for range 3 {
		if ask(t, c, "network-rules", "pod", w.namespace+"/web-0"); found() {
			t.Error("there are reports without their kind")
		}
	}
	install(t, cluster)
	w.object(t, trivyReport, "")
	if found() || seen.count.Load() != 1 {
		t.Errorf("within a minute it was asked %d times what is served, want once", seen.count.Load())
	}
	if now.SetTime(now.Now().Add(2 * time.Minute)); !found() || seen.count.Load() != 2 {
		t.Errorf("later it was asked %d times, want twice, and the report found", seen.count.Load())
	}
}

// What cannot be read may allow or deny anything.
func TestAServerThatDoesNotAnswerLeavesItOpen(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.create(t, w.pod("web", nil))
	w.object(t, `{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v3.projectcalico.org},
		spec: {group: projectcalico.org, version: v3, groupPriorityMinimum: 1500, versionPriority: 20, service: {namespace: NAMESPACE, name: gone}}}`, "")
	asked := discovery.NewDiscoveryClientForConfigOrDie(shared.Get(t).Config)
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		_, _, err := asked.ServerGroupsAndResources()
		return discovery.IsGroupDiscoveryFailedError(err), nil
	})
	if err != nil {
		t.Fatalf("discovery says nothing of the server that is gone: %v", err)
	}
	answer := ask(t, w.connector(t, kubernetes.Options{}), "network-rules", "pod", w.namespace+"/web")
	want := map[string]any{"outside": "Unknown", "gaps": []any{"what serves projectcalico.org/v3 does not answer"}}
	if diff := cmp.Diff(want, only(answer, "outside", "gaps")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
