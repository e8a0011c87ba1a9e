package scenario

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const attack = `
name: attack
about: The miner comes in a pod that the attacker makes.
cluster:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop, labels: {app: web}}}
- {apiVersion: v1, kind: Pod, metadata: {name: miner, namespace: shop, annotations: {a: b}}, spec: {containers: [{name: c, image: "i:1", env: [{name: A, value: b}]}]}}
- {apiVersion: batch/v1, kind: CronJob, metadata: {name: miner-job, namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "i:1"}]}}}}}}
history:
- {every: 1h, for: 24h, audit: {verb: get, user: "system:serviceaccount:shop:web@web-0", userAgent: web/1.0, objectRef: {resource: pods, name: miner}}}
events:
- audit:
    verb: create
    user: system:serviceaccount:shop:web@web-0
    sourceIPs: [198.51.100.7]
    objectRef: {resource: pods, namespace: shop, name: miner}
    requestURI: /api/v1/namespaces/shop/pods/miner?x=miner-job
    requestObject: {metadata: {name: miner}, spec: {containers: [{name: c}]}}
    responseObject: {metadata: {name: miner, uid: u}}
- audit: {verb: patch, user: bob, requestObject: {spec: {template: {metadata: {labels: {app: miner2}}}}}}
- falco: {rule: Miner, output: started, output_fields: {k8s.pod.name: miner, k8s.ns.name: shop, container.id: abc, fd.name: /x, proc.exepath: /bin/miner, proc.cmdline: miner -o pool, user.name: app, proc.pid: 7, evt.type: execve}}
- falco: {rule: Bare}
- audit: {verb: create, user: bob, objectRef: {resource: x, name: in.mesh.example}}
expect: {verdict: TruePositive, entities: ["Pod:shop/miner"], facts: [made Pod shop/miner]}
attackerNames: [miner, miner-job, in.mesh.example]
`

func parsed(t *testing.T, text string) Scenario {
	t.Helper()
	all, err := Parse([]byte(text))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d scenarios, %v", len(all), err)
	}
	return all[0]
}

// at looks up a place in a scenario, as its JSON has it.
func at(t *testing.T, s Scenario, path ...any) any {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// TestHostileText: whatever an attacker can write carries the text, in every variant.
func TestHostileText(t *testing.T) {
	places := map[string][]any{
		"an object's annotation":    {"cluster", 1, "metadata", "annotations", "note"},
		"a pod's environment":       {"cluster", 1, "spec", "containers", 0, "env", 1, "value"},
		"a pod of a job":            {"cluster", 2, "spec", "jobTemplate", "spec", "template", "metadata", "annotations", "note"},
		"its environment":           {"cluster", 2, "spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "env", 0, "value"},
		"what is created":           {"events", 0, "audit", "requestObject", "metadata", "annotations", "soc.tocsin.dev/verdict"},
		"what is answered":          {"events", 0, "audit", "responseObject", "metadata", "annotations", "note"},
		"what is patched":           {"events", 1, "audit", "requestObject", "spec", "template", "metadata", "annotations", "note"},
		"the output of Falco":       {"events", 2, "falco", "output"},
		"a command line":            {"events", 2, "falco", "output_fields", "proc.cmdline"},
		"a user inside a container": {"events", 2, "falco", "output_fields", "user.name"},
		"the output where none was": {"events", 3, "falco", "output"},
		"a command line, none was":  {"events", 3, "falco", "output_fields", "proc.cmdline"},
	}
	base := parsed(t, attack)
	for i, h := range variants {
		t.Run(h.what, func(t *testing.T) {
			v, err := base.Hostile(i)
			if err != nil {
				t.Fatal(err)
			}
			for name, path := range places {
				if got := fmt.Sprint(at(t, v, path...)); !strings.Contains(got, bounded(h.text)) {
					t.Errorf("%s: %.200q, want the text", name, got)
				}
			}
			want := h.text
			if h.agent != "" {
				want = h.agent
			}
			for n := range 2 {
				if got := at(t, v, "events", n, "audit", "userAgent"); got != want {
					t.Errorf("userAgent of events[%d]: %.200q, want %.200q", n, got, want)
				}
			}
			if got := at(t, v, "cluster", 1, "metadata", "labels", "approved-by-security"); got != "true" {
				t.Errorf("label: %v", got)
			}
			for k, want := range h.labels {
				if got := at(t, v, "cluster", 1, "metadata", "labels", k); got != want {
					t.Errorf("label %s: %v, want %s", k, got, want)
				}
			}
		})
	}
}

// TestHostileLeaves: what an attacker cannot write stays, and so does the base.
func TestHostileLeaves(t *testing.T) {
	places := map[string][]any{
		"what was before":     {"history"},
		"others' objects":     {"cluster", 0},
		"what an object had":  {"cluster", 1, "metadata", "annotations", "a"},
		"what was set before": {"cluster", 1, "spec", "containers", 0, "env", 0},
		"who asks":            {"events", 0, "audit", "user"},
		"from where":          {"events", 0, "audit", "sourceIPs"},
		"the answer's UID":    {"events", 0, "audit", "responseObject", "metadata", "uid"},
		"Falco's rule":        {"events", 2, "falco", "rule"},
		"the namespace":       {"events", 2, "falco", "output_fields", "k8s.ns.name"},
		"the container":       {"events", 2, "falco", "output_fields", "container.id"},
		"the file":            {"events", 2, "falco", "output_fields", "fd.name"},
		"the call":            {"events", 2, "falco", "output_fields", "evt.type"},
		"a number":            {"events", 2, "falco", "output_fields", "proc.pid"},
		"the right answer":    {"expect", "verdict"},
	}
	base, before := parsed(t, attack), parsed(t, attack)
	for i, h := range variants {
		t.Run(h.what, func(t *testing.T) {
			v, err := base.Hostile(i)
			if err != nil {
				t.Fatal(err)
			}
			for name, path := range places {
				if h.name != "" && name == "what was before" {
					continue // TestHostileNames: it speaks of an object that has another name.
				}
				want := at(t, before, path...)
				if diff := cmp.Diff(want, at(t, v, path...)); diff != "" || want == nil {
					t.Errorf("%s (-want +got):\n%.2000s", name, diff)
				}
			}
			if v.Name == base.Name || v.Length() != base.Length() {
				t.Errorf("named %s, lasts %v", v.Name, v.Length())
			}
			if diff := cmp.Diff(before, base); diff != "" {
				t.Errorf("the base changed (-before +after):\n%.2000s", diff)
			}
		})
	}
}

// TestHostileNames: the names that the attacker chose are others, the same everywhere.
func TestHostileNames(t *testing.T) {
	renamed := 0
	for i, h := range variants {
		if h.name == "" {
			continue
		}
		renamed++
		v, err := parsed(t, attack).Hostile(i)
		if err != nil {
			t.Fatal(err)
		}
		pod, job := h.name+"-0", h.name+"-1"
		for want, path := range map[string][]any{
			pod:                        {"cluster", 1, "metadata", "name"},
			job:                        {"cluster", 2, "metadata", "name"},
			"    " + pod:               {"history", 0, "audit", "objectRef", "name"},
			" " + pod:                  {"events", 0, "audit", "objectRef", "name"},
			"  " + pod:                 {"events", 0, "audit", "requestObject", "metadata", "name"},
			"   " + pod:                {"events", 2, "falco", "output_fields", "k8s.pod.name"},
			h.name + "-2.mesh.example": {"events", 4, "audit", "objectRef", "name"},
			"miner2":                   {"events", 1, "audit", "requestObject", "spec", "template", "metadata", "labels", "app"},
			"/bin/" + pod:              {"events", 2, "falco", "output_fields", "proc.exepath"},
			"Pod:shop/" + pod:          {"expect", "entities", 0},
			"made Pod shop/" + pod:     {"expect", "facts", 0},
			"/api/v1/namespaces/shop/pods/" + pod + "?x=" + job: {"events", 0, "audit", "requestURI"},
		} {
			if got := at(t, v, path...); got != strings.TrimSpace(want) {
				t.Errorf("%s: %v: %v, want %s", h.what, path, got, strings.TrimSpace(want))
			}
		}
	}
	if renamed < 2 {
		t.Errorf("%d variants rename, expected at least 2", renamed)
	}
}

// TestMalformedText: what reaches ingest is JSON, with half a surrogate pair and control characters in it.
func TestMalformedText(t *testing.T) {
	base := parsed(t, attack)
	for i, h := range variants {
		v, err := base.Hostile(i)
		if err != nil {
			t.Fatal(err)
		}
		for n, o := range v.Events {
			_, body, err := o.Body("id", noon)
			if err != nil || !json.Valid(body) {
				t.Errorf("%s: events[%d]: %v, %.200q", h.what, n, err, body)
			}
			if half := strings.Contains(string(body), `\ud800`); half != (h.what == "malformed text") {
				t.Errorf("%s: events[%d]: half a surrogate pair: %v", h.what, n, half)
			}
		}
	}
}
