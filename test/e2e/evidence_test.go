package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/archive"
)

// captured is what is looked at of the document that capture-evidence keeps.
type captured struct {
	Pod struct {
		Spec   corev1.PodSpec   `json:"spec"`
		Status corev1.PodStatus `json:"status"`
	} `json:"pod"`
	Owners   []map[string]any `json:"owners"`
	Events   []map[string]any `json:"events"`
	Logs     []said           `json:"logs"`
	Commands []said           `json:"commands"`
	Missing  []string         `json:"missing"`
}

type said struct {
	Previous bool     `json:"previous"`
	Command  []string `json:"command"`
	Text     string   `json:"text"`
	Error    string   `json:"error"`
}

// A web server that crashed once is captured with both its logs, and with what only
// its node knows: processes, sockets, mounts.
func TestCaptureEvidence(t *testing.T) {
	s := openShop(t)
	pod := spec(`if [ -e /data/lived ]; then echo second life; exec httpd -f -p 8080; fi; touch /data/lived; echo first life; exit 1`)
	pod.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	pod.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	s.deploy("web", 1, pod)
	victim := s.listening("web")
	evidence := s.evidence(s.done("capture-evidence", map[string]string{"pod": here + "/" + victim.Name}).Status.Result.Message)

	if len(evidence.Missing) > 0 {
		t.Errorf("missing is %q", evidence.Missing)
	}
	if got := evidence.Pod.Status.PodIP; got != victim.Status.PodIP || got == "" {
		t.Errorf("address %q, want %q", got, victim.Status.PodIP)
	}
	if got := evidence.Pod.Spec.NodeName; got != victim.Spec.NodeName {
		t.Errorf("node %q, want %q", got, victim.Spec.NodeName)
	}
	if len(evidence.Owners) != 2 || len(evidence.Events) == 0 {
		t.Errorf("%d owners and %d events, want ReplicaSet and Deployment, and some", len(evidence.Owners), len(evidence.Events))
	}
	for what, want := range map[string]struct {
		among []said
		is    func(said) bool
		text  string
	}{
		"the log":             {evidence.Logs, func(l said) bool { return !l.Previous }, "second life"},
		"the log before":      {evidence.Logs, func(l said) bool { return l.Previous }, "first life"},
		"processes":           {evidence.Commands, runs("ps"), "httpd -f -p 8080"},
		"sockets (port 8080)": {evidence.Commands, runs("/proc/net/tcp"), ":1F90"},
		"mounts":              {evidence.Commands, runs("/proc/self/mountinfo"), " /data "},
	} {
		i := slices.IndexFunc(want.among, want.is)
		if i < 0 || !strings.Contains(want.among[i].Text, want.text) {
			t.Errorf("%s: expected %q in %+v", what, want.text, want.among)
		}
	}
}

func runs(argument string) func(said) bool {
	return func(c said) bool { return slices.Contains(c.Command, argument) }
}

// listening waits until the one pod of an app has had a second life.
func (s *shop) listening(app string) *corev1.Pod {
	s.t.Helper()
	pod := &corev1.Pod{}
	s.eventually("pod "+app+" to run again", func(ctx context.Context) (bool, string, error) {
		var list corev1.PodList
		if err := s.client.List(ctx, &list, client.InNamespace(here), client.MatchingLabels{"app": app}); err != nil || len(list.Items) != 1 {
			return false, fmt.Sprintf("%d pods", len(list.Items)), err
		}
		pod = &list.Items[0]
		statuses := pod.Status.ContainerStatuses
		return serving(pod) && len(statuses) == 1 && statuses[0].RestartCount == 1 && statuses[0].State.Running != nil, told(list.Items), nil
	})
	return pod
}

var keptUnder = regexp.MustCompile(`sha256:([0-9a-f]{64})`)

// evidence is what the operator's archive keeps under the digest that a message states.
func (s *shop) evidence(message string) captured {
	s.t.Helper()
	found := keptUnder.FindStringSubmatch(message)
	if found == nil {
		s.t.Fatalf("no digest in %q", message)
	}
	records, err := archive.Open(s.t.Context(), s.lab.File("data/archive"), time.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := records.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	body, err := records.Blob(s.t.Context(), found[1])
	if err != nil {
		s.t.Fatal(err)
	}
	var evidence captured
	if err := json.Unmarshal(body, &evidence); err != nil {
		s.t.Fatal(err)
	}
	return evidence
}
