package scenario

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// TestUser: the short form says what an API server says of such a user.
func TestUser(t *testing.T) {
	tests := map[string]map[string]any{
		"alice":                          {"username": "alice", "groups": []any{"system:authenticated"}},
		"alice@example.com":              {"username": "alice@example.com", "groups": []any{"system:authenticated"}},
		"system:kube-scheduler":          {"username": "system:kube-scheduler", "groups": []any{"system:authenticated"}},
		"system:serviceaccount:shop:web": {"username": "system:serviceaccount:shop:web", "groups": []any{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}},
		"system:anonymous":               {"username": "system:anonymous", "groups": []any{"system:unauthenticated"}},
		"system:node:node-1":             {"username": "system:node:node-1", "groups": []any{"system:nodes", "system:authenticated"}},
		"system:serviceaccount:shop:web@w0": {
			"username": "system:serviceaccount:shop:web", "groups": []any{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"},
			"extra": map[string]any{"authentication.kubernetes.io/pod-name": []any{"w0"}},
		},
	}
	for short, want := range tests {
		t.Run(short, func(t *testing.T) {
			if diff := cmp.Diff(want, user(short)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBody(t *testing.T) {
	const stamp = "2026-03-01T12:00:00.123456Z"
	event := func(changed map[string]any) map[string]any {
		e := map[string]any{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "id", "stage": "ResponseComplete", "verb": "get",
			"user":      map[string]any{"username": "alice", "groups": []any{"system:authenticated"}},
			"sourceIPs": []any{"10.0.0.10"}, "userAgent": "kubectl/v1.37.2 (linux/amd64) kubernetes/0000000",
			"requestReceivedTimestamp": stamp, "stageTimestamp": stamp, "responseStatus": map[string]any{"metadata": map[string]any{}, "code": 200.0},
		}
		for k, v := range changed {
			e[k] = v
		}
		return map[string]any{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": []any{e}}
	}
	tests := map[string]struct {
		given      Observation
		wantSource string
		want       map[string]any
	}{
		"an event that is short": {Observation{Audit: map[string]any{"verb": "get", "user": "alice"}}, SourceAudit, event(nil)},
		"a node's client": {
			Observation{Audit: map[string]any{"verb": "get", "user": "system:node:node-1"}}, SourceAudit,
			event(map[string]any{
				"user":      map[string]any{"username": "system:node:node-1", "groups": []any{"system:nodes", "system:authenticated"}},
				"userAgent": "kubelet/v1.37.2 (linux/amd64) kubernetes/0000000",
			}),
		},
		"a creation, with what was sent": {
			Observation{Audit: map[string]any{"verb": "create", "user": "alice", "objectRef": map[string]any{"resource": "pods"}, "requestObject": map[string]any{}}}, SourceAudit,
			event(map[string]any{
				"verb": "create", "level": "RequestResponse", "requestObject": map[string]any{}, "objectRef": map[string]any{"resource": "pods", "apiVersion": "v1"},
				"responseStatus": map[string]any{"metadata": map[string]any{}, "code": 201.0},
			}),
		},
		"what is given stays": {
			Observation{Audit: map[string]any{
				"verb": "get", "user": map[string]any{"username": "bob"}, "level": "Request", "sourceIPs": []any{"198.51.100.7"},
				"responseStatus": map[string]any{"code": 403}, "objectRef": map[string]any{"apiVersion": "v1beta1"},
			}}, SourceAudit,
			event(map[string]any{
				"user": map[string]any{"username": "bob"}, "level": "Request", "sourceIPs": []any{"198.51.100.7"},
				"responseStatus": map[string]any{"code": 403.0}, "objectRef": map[string]any{"apiVersion": "v1beta1"},
			}),
		},
		"Falco": {
			Observation{Falco: map[string]any{"rule": "R", "priority": "Critical"}}, SourceFalco,
			map[string]any{
				"rule": "R", "priority": "Critical", "hostname": "node-1", "source": "syscall", "tags": []any{},
				"time": stamp, "output": "R", "output_fields": map[string]any{},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			source, body, err := tt.given.Body("id", noon)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || source != tt.wantSource {
				t.Errorf("from %s, want %s (-want +got):\n%s", source, tt.wantSource, diff)
			}
		})
	}
}

func TestLength(t *testing.T) {
	all, err := Parse([]byte("name: a\nabout: b\nevents: [{falco: {rule: R}}, {after: 1m, times: 3, every: 10s, falco: {rule: R}}, {after: 70s, falco: {rule: R}}]\nexpect: {verdict: TruePositive}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := all[0].Length(), 80*time.Second; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
