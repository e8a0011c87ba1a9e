package analyst

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestBeside(t *testing.T) {
	alerts := []v1alpha1.Alert{{Spec: v1alpha1.AlertSpec{Attributes: map[string]string{"user": "alice", "verb": "create", "resource": "pods/exec", "namespace": "shop", "name": "web-0"}}}}
	event := func(at, actor, verb, resource, namespace, name string, code int64) any {
		return map[string]any{"at": at, "actor": actor, "verb": verb, "resource": resource, "namespace": namespace, "name": name, "code": code, "rule": ""}
	}
	many := make([]any, 0, 20)
	for i := range 20 {
		many = append(many, event("2026-03-01T12:00:00Z", "alice", "delete", "pods", "shop", fmt.Sprint("p-", i), 200))
	}
	tests := map[string]struct {
		events []any
		want   []string
	}{
		"nothing": {},
		"what the alert is about": {
			events: []any{event("2026-03-01T12:00:00Z", "alice", "create", "pods/exec", "shop", "web-0", 101)},
		},
		"somebody else, and what is only read": {
			events: []any{event("2026-03-01T12:00:00Z", "bob", "delete", "pods", "shop", "web-0", 200), event("2026-03-01T12:00:00Z", "alice", "list", "pods", "shop", "", 200)},
		},
		"an alert": {
			events: []any{map[string]any{"at": "2026-03-01T12:00:00Z", "actor": "alice", "verb": "delete", "resource": "pods", "rule": "r"}},
		},
		"in order, the same once": {
			events: []any{
				event("2026-03-01T12:00:09Z", "alice", "delete", "networkpolicies", "shop", "default-deny", 200),
				event("2026-03-01T12:00:05Z", "alice", "get", "secrets", "payments", "db”\nclose", 200),
				event("2026-03-01T12:00:07Z", "alice", "list", "nodes", "", "", 403),
				event("2026-03-01T12:00:06Z", "alice", "list", "nodes", "", "", 403),
			},
			want: []string{
				"12:00:05 alice read secrets “db' close” of namespace payments.",
				"12:00:06 alice listed nodes in the whole cluster, and was refused (403), 2 times until 12:00:07.",
				"12:00:09 alice deleted networkpolicies “default-deny” of namespace shop.",
			},
		},
		"no time, and a verb of its own": {
			events: []any{event("noon", "alice", "use", "podsecuritypolicies", "", "p", 200)},
			want:   []string{"alice did use on podsecuritypolicies “p” in the whole cluster."},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Beside([]map[string]any{{"events": tc.events}, {"events": "none"}}, alerts)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
	if got := Beside([]map[string]any{{"events": many}}, alerts); len(got) != maxBeside+1 || got[maxBeside] != "8 more." {
		t.Errorf("%d lines, the last is %q", len(got), got[len(got)-1])
	}
}
