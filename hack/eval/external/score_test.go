package external

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

const config = "../../../config"

func TestMeasure(t *testing.T) {
	folder := fstest.MapFS{
		"falco-k8saudit/expectations.json": {Data: []byte(`[{"test": "T", "file": "e.json", "expect": "alert", "rules": ["Anonymous Request Allowed"]}]`)},
		"falco-k8saudit/e.json": {Data: []byte(`{"stage": "ResponseComplete", "verb": "get", "requestURI": "/api/v1/pods", "user": {"username": "system:anonymous"},
			"objectRef": {"resource": "pods"}, "responseStatus": {"code": 200}}`)},
		"panther-rule-tests.jsonl":  {Data: []byte(`{"rule": "Kubernetes.DaemonSet.Created", "test": "t", "expected": false, "log": {"verb": "get"}}`)},
		"falco-rules.jsonl":         {Data: []byte(`{"source": "syscall", "rule": "Any"}` + "\n" + `{"source": "k8s_audit", "rule": "Create Privileged Pod"}`)},
		"tetragon-events.jsonl":     {Data: []byte(`{"event": {"process_exec": {"process": {"binary": "/bin/sh", "pod": {"namespace": "a", "name": "b"}}}, "node_name": "n"}}`)},
		"stratus-cloudtrail.jsonl":  {Data: []byte(`{"event": {"eventName": "StopLogging"}}`)},
		"alertmanager-webhook.json": {Data: []byte(`{"alerts": [{"status": "firing", "labels": {"alertname": "A"}, "annotations": {}, "startsAt": "2026-03-01T12:00:00Z"}]}`)},
	}
	got, err := Measure(folder, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	if failures := got.Parsed["cloudtrail"].Failures; len(failures) != 1 || !strings.Contains(failures[0], "body 1: ") || !strings.Contains(failures[0], "eventSource") {
		t.Errorf("failures of cloudtrail: %v", failures)
	}
	want := Score{
		Falco: &Report{Cases: 1, Agree: 1}, Panther: &Report{Cases: 1, Agree: 1},
		Coverage: &Coverage{Rules: 2, Detection: 1, Neither: []string{"syscall: Any"}},
		Parsed: map[string]Parsed{
			"tetragon": {Bodies: 1, Alerts: 1}, "alertmanager": {Bodies: 1, Alerts: 1}, "cloudtrail": {Bodies: 1, Failures: got.Parsed["cloudtrail"].Failures},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMeasureWhatIsThere: a set that is left out is none, one that is broken is named.
func TestMeasureWhatIsThere(t *testing.T) {
	got, err := Measure(fstest.MapFS{"README.md": {}}, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Score{Parsed: map[string]Parsed{}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	broken := &fstest.MapFile{Data: []byte("{}\n{")}
	for name, want := range map[string]string{
		"falco-k8saudit/expectations.json": "falco-k8saudit: expectations.json",
		"panther-rule-tests.jsonl":         "panther-rule-tests.jsonl: line 2",
		"falco-rules.jsonl":                "falco-rules.jsonl: line 2",
		"tetragon-events.jsonl":            "tetragon-events.jsonl: line 2",
	} {
		if _, err := Measure(fstest.MapFS{name: broken}, config, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", name, err, want)
		}
	}
}

func TestCover(t *testing.T) {
	book, err := playbook.Compile("shell", v1alpha1.PlaybookSpec{Match: `"T1059" in alert.techniques && has(alert.entities.pod)`}, operation.Catalog(nil))
	if err != nil {
		t.Fatal(err)
	}
	rules := []FalcoRule{
		{Source: "syscall", Rule: "A", Tags: []string{"container", "T1059"}},
		{Source: "syscall", Rule: "B", Tags: []string{"host", "T1059"}},
		{Source: "k8s_audit", Rule: "C", Tags: []string{"T1059"}},
		{Source: "okta", Rule: "D"},
		{Source: "aws_cloudtrail", Rule: "E"},
	}
	got, err := Cover(rules, []*playbook.Playbook{book}, Mapping{Rules: map[string]Equivalent{"C": {Shipped: []string{"c"}}, "D": {Differs: "so"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := Coverage{Rules: 5, Playbook: 1, Detection: 1, Neither: []string{"syscall: B", "okta: D", "aws_cloudtrail: E"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
