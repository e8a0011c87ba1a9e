package activity

import (
	"testing"
	"time"
)

func TestLastChanged(t *testing.T) {
	m := New(DefaultLimits)
	at := noon
	record := func(tenant, user, verb, resource, name string, edits ...func(map[string]any)) {
		at = at.Add(time.Second)
		raw := event(verb, resource, "soc", name, append(edits, set("user", map[string]any{"username": user}))...)
		raw["objectRef"].(map[string]any)["apiGroup"] = "soc.tocsin.dev"
		m.Record(tenant, raw, at)
	}
	record("soc", "flux", "create", "playbooks", "shell")
	record("soc", "paul", "patch", "playbooks", "shell")
	record("soc", "mallory", "update", "playbooks", "shell", code(403))
	record("soc", "alice", "get", "playbooks", "shell")
	record("soc", "alice", "delete", "playbooks", "shell")
	record("soc", "alice", "patch", "playbooks", "shell", set("requestURI", "/x?dryRun=All"))
	record("soc", "alice", "update", "playbooks", "miner")
	record("soc", "alice", "update", "analysts", "shell")
	record("other", "alice", "update", "playbooks", "shell")

	tests := map[string]struct{ namespace, name, want string }{
		"the last one whose change was accepted": {"soc", "shell", "paul"},
		"another playbook":                       {"soc", "miner", "alice"},
		"one that nobody told of":                {"soc", "none", ""},
		"a tenant that heard nothing":            {"quiet", "shell", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := m.LastChanged(test.namespace, "playbooks.soc.tocsin.dev", test.name); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
