package kubernetes_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// shelf is an archive in memory.
type shelf struct {
	mu    sync.Mutex
	blobs map[string][]byte
	err   error
}

// PutBlobs implements kubernetes.Archive.
func (s *shelf) PutBlobs(_ context.Context, bodies ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil {
		s.blobs = map[string][]byte{}
	}
	for _, body := range bodies {
		sum := sha256.Sum256(body)
		s.blobs[hex.EncodeToString(sum[:])] = body
	}
	return s.err
}

// Blob implements kubernetes.Archive.
func (s *shelf) Blob(_ context.Context, digest string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body, ok := s.blobs[digest]; ok {
		return body, nil
	}
	return nil, errors.New("the archive does not have it")
}

func (s *shelf) digests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.blobs))
}

// What it changes is the archive; the time of a capture is part of it, so only whether there is one counts.
func (w *world) captureEvidence(t *testing.T, archive *shelf) conformance.Action {
	w.create(t, w.pod("captured", nil))
	return conformance.Action{
		Request: connectors.Request{Operation: "capture-evidence", Arguments: args("pod", w.namespace+"/captured"), Key: "key-1"},
		Prepare: func(*testing.T) { archive.blobs = nil },
		Snapshot: func(t *testing.T) []byte {
			kept := "nothing"
			if len(archive.digests()) > 0 {
				kept = "evidence"
			}
			return append(w.snapshot(t, true, "v1 Pod"), kept...)
		},
	}
}

type captured struct {
	Pod             map[string]any   `json:"pod"`
	Owners          []map[string]any `json:"owners"`
	Events          []map[string]any `json:"events"`
	NetworkPolicies []map[string]any `json:"networkPolicies"`
	Logs            []struct {
		Container, Text, Error string
		Previous               bool
	} `json:"logs"`
	Missing []string `json:"missing"`
}

func TestEvidenceIsWhatIsThere(t *testing.T) {
	w := newWorld(t, allRoles...)
	archive := &shelf{}
	c := w.connector(t, kubernetes.Options{Archive: archive})
	d := w.rolledOut(t, "web", 1)
	p := w.runningPod(t, "web-0", "n1", map[string]string{"app": "web"}, func(p *corev1.Pod) {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", UID: w.uidOf(t, "web-1"), Controller: &yes}}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "TOKEN", Value: "hunter2"}}
	})
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", RestartCount: 1, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	if err := w.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.create(t, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "killing"}, Reason: "Killing",
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: w.namespace, Name: "web-0", UID: p.UID},
	})
	for name, app := range map[string]string{"mine": "web", "of-others": "db"} {
		w.create(t, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
			Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}})
	}
	r := request("capture-evidence", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	if !strings.Contains(planned.Diff, "+keep previous log of web\n") || strings.Contains(planned.Diff, "/proc") {
		t.Errorf("the diff is %s; want logs of both containers, and no commands without the right to run any", planned.Diff)
	}
	if len(planned.Warnings) != 1 || !strings.Contains(planned.Warnings[0], "tocsin-connector-examiner") {
		t.Errorf("warnings are %q, want one that names the role", planned.Warnings)
	}
	result, err := c.Execute(t.Context(), r, planned)
	if err != nil || result.Outcome != v1alpha1.OutcomeSucceeded {
		t.Fatalf("Execute: got %+v, %v", result, err)
	}
	body, err := archive.Blob(t.Context(), result.Evidence)
	if err != nil || !strings.Contains(result.Message, "sha256:"+result.Evidence) {
		t.Fatalf("evidence %q: %v; the message is %q", result.Evidence, err, result.Message)
	}
	if strings.Contains(string(body), "hunter2") {
		t.Errorf("it has secrets: %s", body)
	}
	var got captured
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	names := func(objects []map[string]any) string {
		var all []string
		for _, o := range objects {
			all = append(all, o["metadata"].(map[string]any)["name"].(string))
		}
		return strings.Join(all, " ")
	}
	if names(got.Owners) != "web-1 "+d.Name || names(got.Events) != "killing" || names(got.NetworkPolicies) != "mine" || got.Pod["status"] == nil {
		t.Errorf("owners %s, events %s, policies %s, status %v", names(got.Owners), names(got.Events), names(got.NetworkPolicies), got.Pod["status"])
	}
	// No node answers here, which must be said.
	if len(got.Logs) != 2 || got.Logs[0].Error == "" || !strings.Contains(result.Message, "missing is log of web") {
		t.Errorf("logs are %+v, the message is %q; want what is missing in both", got.Logs, result.Message)
	}
}

// A capture that nobody knows of, as after a restart, is made again.
func TestEvidenceOfAnotherProcessCountsAsNone(t *testing.T) {
	w := newWorld(t, allRoles...)
	archive := &shelf{}
	c := w.connector(t, kubernetes.Options{Archive: archive})
	w.create(t, w.pod("web-0", nil))
	r := request("capture-evidence", "pod", w.namespace+"/web-0")
	planned := plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	wantObserved(t, w.connector(t, kubernetes.Options{Archive: archive}), r, planned, connectors.EffectAbsent)
}

func TestEvidenceThatCannotBeKept(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.create(t, w.pod("web-0", nil))
	r := request("capture-evidence", "pod", w.namespace+"/web-0")
	if _, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), r); !errors.Is(err, connectors.ErrUnsupported) {
		t.Errorf("without an archive: got %v, want ErrUnsupported", err)
	}
	c := w.connector(t, kubernetes.Options{Archive: &shelf{err: errors.New("no space left")}})
	if result, err := c.Execute(t.Context(), r, plan(t, c, r)); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("with a full disk: got %+v, %v; want an error that says so", result, err)
	}
}
