package external

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestReadFalco(t *testing.T) {
	folder := fstest.MapFS{
		"expectations.json": {Data: []byte(`[{"test": "T1", "file": "a.json", "expect": "alert", "rules": ["R"], "rulefiles": ["base"]},
			{"test": "T2", "file": "b.json", "expect": "none", "rules": []}]`)},
		"a.json": {Data: []byte(`{"verb": "get"}` + "\n" + `{"verb": "list"}`)},
		"b.json": {Data: []byte(`{"kind": "EventList", "items": [{"verb": "watch"}]}`)},
	}
	want := []Case{
		{Name: "T1", Test: "T1", Fires: true, Rules: []string{"R"}, Settings: []string{"base"}, Events: []map[string]any{{"verb": "get"}, {"verb": "list"}}},
		{Name: "T2", Test: "T2", Rules: []string{}, Events: []map[string]any{{"verb": "watch"}}},
	}
	got, err := ReadFalco(folder)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	delete(folder, "b.json")
	if _, err := ReadFalco(folder); err == nil || !strings.Contains(err.Error(), "b.json") {
		t.Errorf("error %v, want the name of the file that is missing", err)
	}
}

func TestReadPanther(t *testing.T) {
	lines := `{"rule": "Kubernetes.A", "test": "own format", "expected": true, "log": {"verb": "create"}}
{"rule": "Kubernetes.A", "test": "Azure", "expected": false, "log": {"properties": {"log": "{\"verb\": \"get\", \"stage\": \"Panic\"}"}}}
{"rule": "Kubernetes.A", "test": "another cloud", "expected": true, "log": {"protoPayload": {}}}
{"rule": "Kubernetes.A", "test": "a list", "expected": true, "log": [1]}
{"rule": "AWS.B", "test": "another product", "expected": true, "log": {"verb": "create"}}`
	want := []Case{
		{Name: "Kubernetes.A: own format", Test: "own format", Rules: []string{"Kubernetes.A"}, Fires: true, Events: []map[string]any{{"verb": "create", "stage": "ResponseComplete"}}},
		{Name: "Kubernetes.A: Azure", Test: "Azure", Rules: []string{"Kubernetes.A"}, Events: []map[string]any{{"verb": "get", "stage": "Panic"}}},
	}
	got, others, err := ReadPanther(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || others != 2 {
		t.Errorf("%d others, want 2 (-want +got):\n%s", others, diff)
	}
	if _, _, err := ReadPanther(strings.NewReader("{\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("error %v, want the line", err)
	}
}
