package memory

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/archive"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// records answers for the namespace soc alone, or errs.
type records struct{ err error }

func (r records) RuleHistory(_ context.Context, namespace, rule, except string) (archive.RuleHistory, error) {
	if namespace != "soc" || rule != "shell" {
		return archive.RuleHistory{}, r.err
	}
	today := noon.Truncate(24 * time.Hour)
	grades := []archive.Grades{
		{Day: today.AddDate(0, 0, -180), Verdict: v1alpha1.FalsePositive, Cases: 1},
		{Day: today.AddDate(0, 0, -90), Verdict: v1alpha1.TruePositive, Cases: 1},
		{Day: today.AddDate(0, 0, -30), Verdict: v1alpha1.Undetermined, Cases: 7},
		{Day: today, Verdict: v1alpha1.BenignPositive, Cases: 3},
	}
	if except == "own" {
		grades = grades[:3]
	}
	return archive.RuleHistory{Fired: 9, LastFired: noon, Grades: grades}, r.err
}

func (r records) KnownAutomation(_ context.Context, namespace string) ([]v1alpha1.KnownAutomation, error) {
	if namespace != "soc" {
		return nil, r.err
	}
	return []v1alpha1.KnownAutomation{
		{User: "system:serviceaccount:flux-system:kustomize-controller", Namespaces: []string{"shop", ""}, Reason: "reviewed in Git"},
		{User: "ci", Namespaces: []string{"*"}, Reason: "the pipeline"},
	}, r.err
}

func remember() *activity.Memory {
	m := activity.New(activity.DefaultLimits)
	patch := func(name string, at time.Time) {
		m.Record("soc", map[string]any{
			"stage": "ResponseComplete", "verb": "patch", "sourceIPs": []any{"10.0.0.1"},
			"user":           map[string]any{"username": "system:serviceaccount:flux-system:kustomize-controller"},
			"objectRef":      map[string]any{"resource": "deployments", "apiGroup": "apps", "namespace": "shop", "name": name},
			"responseStatus": map[string]any{"code": 200.0},
		}, at)
	}
	patch("web", noon.Add(-24*time.Hour))
	patch("web", noon.Add(-time.Minute))
	alert := func(process string, at time.Time) {
		m.RecordAlert("soc", v1alpha1.AlertSpec{Rule: "shell", FirstSeen: metav1.NewMicroTime(at), Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityWorkload, Value: "Deployment/shop/web"}, {Type: v1alpha1.EntityProcess, Value: process},
			{Type: v1alpha1.EntityIP, Value: "203.0.113.7"}, {Type: v1alpha1.EntityContainerImage, Value: "ghcr.io/shop/web:1"},
		}})
	}
	alert("/bin/sh", noon.Add(-48*time.Hour))
	m.RecordFiring("soc", v1alpha1.AlertSpec{
		Source: "audit", Rule: "exec", FirstSeen: metav1.NewMicroTime(noon.Add(-48 * time.Hour)), Attributes: map[string]string{"user": "alice", "namespace": "shop"},
	})
	alert("/tmp/miner", noon)
	rememberHabits(m)
	return m
}

const builder = "system:serviceaccount:build:agent"

// rememberHabits of a builder that reads from within the cluster and, at noon, is used from
// outside, and of a rule that fired for half a day.
func rememberHabits(m *activity.Memory) {
	request := func(verb, resource, namespace, address, client string, code float64, at time.Time) {
		m.Record("soc", map[string]any{
			"stage": "ResponseComplete", "verb": verb, "sourceIPs": []any{address}, "userAgent": client,
			"user":           map[string]any{"username": builder},
			"objectRef":      map[string]any{"resource": resource, "namespace": namespace},
			"responseStatus": map[string]any{"code": code},
		}, at)
	}
	request("get", "configmaps", "build", "10.0.0.1", "agent/1.0", 200, noon.Add(-240*time.Hour))
	request("create", "secrets", "shop", "203.0.113.9", "curl/8.0", 201, noon)
	request("list", "nodes", "", "203.0.113.9", "curl/8.0", 403, noon.Add(time.Minute))
	for hour := range 12 {
		m.RecordFiring("soc", v1alpha1.AlertSpec{
			Source: "audit", Rule: "copied", FirstSeen: metav1.NewMicroTime(noon.Add(-time.Duration(50+hour) * time.Hour)),
			Attributes: map[string]string{"user": "alice", "namespace": "shop", "command": "tar"},
		})
	}
}

func clock() time.Time { return noon }

// never and usual are answers about names that memory has not, or has, from two days before noon.
func never(more map[string]any) map[string]any {
	answer := map[string]any{"seenBefore": false, "count": int64(0), "hours": int64(0), "firstSeen": "", "knownHours": 0.0, "baselineHours": 48.0, "crowded": false, "usual": false}
	maps.Copy(answer, more)
	return answer
}

func usual(more map[string]any) map[string]any {
	answer := never(more)
	answer["seenBefore"], answer["count"], answer["hours"] = true, int64(1), int64(1)
	answer["firstSeen"], answer["knownHours"] = "2026-02-27T12:00:00Z", 48.0
	return answer
}

// TestAsk checks every answer against its operation's schema, and the answer itself.
func TestAsk(t *testing.T) {
	const flux, fluxKey = "system:serviceaccount:flux-system:kustomize-controller", "ServiceAccount:flux-system/kustomize-controller"
	tests := map[string]struct {
		namespace, operation string
		arguments            map[string]any
		want                 map[string]any
	}{
		"related events of the last hour": {
			operation: "related-events", arguments: map[string]any{"entities": []any{"Workload:Deployment/shop/web", fluxKey}},
			want: map[string]any{
				"count": int64(1), "denied": int64(0), "alerts": int64(1), "rules": []any{"shell"}, "unusual": []any{"shell"}, "verbs": []any{"patch"},
				"events": []any{
					map[string]any{"at": "2026-03-01T12:00:00Z", "actor": "", "verb": "", "resource": "", "namespace": "", "name": "", "code": int64(0), "rule": "shell"},
					map[string]any{"at": "2026-03-01T11:59:00Z", "actor": "system:serviceaccount:flux-system:kustomize-controller", "verb": "patch",
						"resource": "deployments", "namespace": "shop", "name": "web", "code": int64(200), "rule": ""},
				},
			},
		},
		"related events since a time": {
			operation: "related-events", arguments: map[string]any{"entities": []string{fluxKey}, "since": "2026-03-01T12:00:01+00:00"},
			want: map[string]any{"count": int64(0), "denied": int64(0), "alerts": int64(0), "rules": []any{}, "unusual": []any{}, "verbs": []any{}, "events": []any{}},
		},
		"novelty of something old": {
			operation: "novelty", arguments: map[string]any{"actor": flux, "verb": "patch", "resource": "deployments", "namespace": "shop", "before": "2026-03-01T12:00:00Z"},
			want: map[string]any{
				"seenBefore": true, "count": int64(2), "hours": int64(2), "firstSeen": "2026-02-28T12:00:00Z", "knownHours": 24.0, "baselineHours": 24.0, "crowded": false, "usual": false,
				"actorSeenBefore": true, "actorFirstSeen": "2026-02-28T12:00:00Z", "refused": false, "settled": false, "elsewhere": false, "kindred": false, "deployer": false,
			},
		},
		"novelty in another tenant": {
			namespace: "other", operation: "novelty",
			arguments: map[string]any{"actor": flux, "verb": "patch", "resource": "deployments", "namespace": "shop", "before": "2026-03-01T12:00:00Z"},
			want: map[string]any{
				"seenBefore": false, "count": int64(0), "hours": int64(0), "firstSeen": "", "knownHours": 0.0, "baselineHours": 0.0, "crowded": false, "usual": false,
				"actorSeenBefore": false, "actorFirstSeen": "", "refused": false, "settled": false, "elsewhere": false, "kindred": false, "deployer": false,
			},
		},
		"a rule that fired before": {
			operation: "recurrence", arguments: map[string]any{"source": "audit", "rule": "exec", "actor": "alice", "namespace": "shop", "before": "2026-03-01T12:00:00Z"},
			want: usual(map[string]any{"anywhere": false}),
		},
		"a rule that never fired about him": {
			operation: "recurrence", arguments: map[string]any{"source": "audit", "rule": "exec", "actor": "bob", "namespace": "shop", "before": "2026-03-01T12:00:00Z"},
			want: never(map[string]any{"anywhere": false}),
		},
		"a detail that is not as ever": {
			operation: "unfamiliar", arguments: map[string]any{"source": "audit", "rule": "copied", "actor": "alice", "namespace": "shop", "before": "2026-03-01T12:00:00Z",
				"title": "", "attributes": map[string]any{"user": "alice", "namespace": "shop", "command": "curl evil.example"}},
			want: map[string]any{"names": []any{"command"}, "values": []any{"curl evil.example"}, "near": []any{}, "nearly": []any{}, "varied": []any{}},
		},
		"details of a rule that never fired": {
			operation: "unfamiliar", arguments: map[string]any{"source": "audit", "rule": "new", "actor": "alice", "before": "2026-03-01T12:00:00Z",
				"title": "", "attributes": map[string]any{"command": "curl"}},
			want: map[string]any{"names": []any{}, "values": []any{}, "near": []any{}, "nearly": []any{}, "varied": []any{}},
		},
		"a habit of nobody": {
			operation: "recurrence", arguments: map[string]any{"source": "falco", "rule": "shell", "before": "2026-03-01T12:00:00Z"},
		},
		"somewhere else": {
			operation: "origin", arguments: map[string]any{"actor": builder, "since": "2026-03-01T12:00:00Z"},
			want: map[string]any{
				"knownHours": 240.0, "asEverHours": 0.0, "newAddress": "203.0.113.9", "newNetwork": "203.0.0.0/16", "newClient": "curl", "networks": int64(1), "clients": int64(1),
				"leftPod": false, "otherWorkload": "", "leftInside": true, "outside": true, "strange": true, "asEver": false, "crowded": false,
			},
		},
		"from nowhere": {
			operation: "origin", arguments: map[string]any{"actor": "nobody", "since": "2026-03-01T12:00:00Z"},
			want: map[string]any{
				"knownHours": 0.0, "asEverHours": 0.0, "newAddress": "", "newNetwork": "", "newClient": "", "networks": int64(0), "clients": int64(0),
				"leftPod": false, "otherWorkload": "", "leftInside": false, "outside": false, "strange": false, "asEver": false, "crowded": false,
			},
		},
		"something else": {
			operation: "departures", arguments: map[string]any{"actor": builder, "at": "2026-03-01T12:00:00Z"},
			want: map[string]any{
				"knownHours": 240.0, "peak": int64(0), "accepted": int64(1), "elsewhere": int64(0), "refused": int64(1), "namespaces": int64(1),
				"deeds": []any{"create secrets in shop"}, "tries": []any{"list nodes in the cluster"},
			},
		},
		"nothing at all": {
			operation: "departures", arguments: map[string]any{"actor": "nobody", "at": "2026-03-01T12:00:00Z"},
			want: map[string]any{
				"knownHours": 0.0, "peak": int64(0), "accepted": int64(0), "elsewhere": int64(0), "refused": int64(0), "namespaces": int64(0), "deeds": []any{}, "tries": []any{},
			},
		},
		"a new process": {
			operation: "process-novelty", arguments: map[string]any{"process": "/tmp/miner", "workload": "Deployment/shop/web", "before": "2026-03-01T12:00:00Z"},
			want: never(map[string]any{"workload": "shop/web", "guessed": false, "workloadSeenBefore": true}),
		},
		"a known process, in a pod": {
			operation: "process-novelty", arguments: map[string]any{"process": "/bin/sh", "pod": "shop/web-0", "before": "2026-03-01T12:00:00Z"},
			want: usual(map[string]any{"workload": "shop/web", "guessed": true, "workloadSeenBefore": true}),
		},
		"a process where memory knows none": {
			namespace: "other", operation: "process-novelty", arguments: map[string]any{"process": "/bin/sh", "pod": "shop/web-0", "before": "2026-03-01T12:00:00Z"},
		},
		"a known destination": {
			operation: "destination-novelty", arguments: map[string]any{"destination": "203.0.113.7", "pod": "shop/web-0", "before": "2026-03-01T12:00:00Z"},
			want: usual(map[string]any{"workload": "shop/web", "guessed": true, "workloadSeenBefore": true, "outside": true}),
		},
		"a destination of nobody": {
			operation: "destination-novelty", arguments: map[string]any{"destination": "203.0.113.7", "before": "2026-03-01T12:00:00Z"},
		},
		"a known image": {
			operation: "image-novelty", arguments: map[string]any{"image": "ghcr.io/shop/web:2", "namespace": "shop", "before": "2026-03-01T12:00:00Z"},
			want: usual(map[string]any{"namespace": "shop", "image": "ghcr.io/shop/web", "registry": "ghcr.io", "namespaceNew": false, "registrySeenBefore": true, "registryKnownHours": 48.0}),
		},
		"a new image, where memory knows none": {
			namespace: "other", operation: "image-novelty", arguments: map[string]any{"image": "nginx", "namespace": "shop", "before": "2026-03-01T12:00:00Z"},
		},
		"the rate of an actor": {
			operation: "rate", arguments: map[string]any{"actor": flux, "at": "2026-03-01T12:00:00Z"},
			want: map[string]any{"requests": int64(1), "denied": int64(0), "usual": 1.0, "peak": 1.0, "peakDenied": 0.0, "spans": 1.0},
		},
		"the rate of nobody": {operation: "rate", arguments: map[string]any{"actor": "nobody", "at": "2026-03-01T12:00:00Z"}},
		"history of a rule": {
			operation: "rule-history", arguments: map[string]any{"rule": "shell"},
			want: map[string]any{
				"fired": int64(9), "graded": int64(5), "truePositives": int64(1), "benignPositives": int64(3), "falsePositives": int64(1),
				"effectiveGraded": 3.8, "effectiveTruePositives": 0.5, "lastFired": "2026-03-01T12:00:00Z",
			},
		},
		"history of a rule without the case that asks": {
			operation: "rule-history", arguments: map[string]any{"rule": "shell", "case": "own"},
			want: map[string]any{
				"fired": int64(9), "graded": int64(2), "truePositives": int64(1), "benignPositives": int64(0), "falsePositives": int64(1),
				"effectiveGraded": 0.8, "effectiveTruePositives": 0.5, "lastFired": "2026-03-01T12:00:00Z",
			},
		},
		"history of a rule that never fired": {
			operation: "rule-history", arguments: map[string]any{"rule": "new"},
			want: map[string]any{
				"fired": int64(0), "graded": int64(0), "truePositives": int64(0), "benignPositives": int64(0), "falsePositives": int64(0),
				"effectiveGraded": 0.0, "effectiveTruePositives": 0.0, "lastFired": "",
			},
		},
		"automation where it is expected": {
			operation: "automation", arguments: map[string]any{"actor": flux, "namespace": "shop"},
			want: map[string]any{"declared": true, "expectedNamespace": true, "reason": "reviewed in Git"},
		},
		"automation at cluster scope": {
			operation: "automation", arguments: map[string]any{"actor": flux},
			want: map[string]any{"declared": true, "expectedNamespace": true, "reason": "reviewed in Git"},
		},
		"automation where it is not expected": {
			operation: "automation", arguments: map[string]any{"actor": flux, "namespace": "pay"},
			want: map[string]any{"declared": true, "expectedNamespace": false, "reason": "reviewed in Git"},
		},
		"automation expected everywhere": {
			operation: "automation", arguments: map[string]any{"actor": "ci", "namespace": "pay"},
			want: map[string]any{"declared": true, "expectedNamespace": true, "reason": "the pipeline"},
		},
		"somebody whose name is the key of automation": {
			operation: "automation", arguments: map[string]any{"actor": fluxKey, "namespace": "shop"},
			want: map[string]any{"declared": false, "expectedNamespace": false, "reason": ""},
		},
		"a name that begins like automation": {
			operation: "automation", arguments: map[string]any{"actor": "ci-2", "namespace": "shop"},
			want: map[string]any{"declared": false, "expectedNamespace": false, "reason": ""},
		},
		"a steady rollout": {
			operation: "rollout", arguments: map[string]any{"actor": flux, "namespace": "shop", "at": "2026-03-01T12:00:00.5Z"},
			want: map[string]any{"found": true, "workloads": []any{"Deployment/web"}, "alsoSteady": true},
		},
		"no rollout": {
			operation: "rollout", arguments: map[string]any{"actor": "alice", "namespace": "shop", "at": "2026-03-01T12:00:00Z"},
			want: map[string]any{"found": false, "workloads": []any{}, "alsoSteady": false},
		},
	}
	asked := map[string]bool{}
	for name, test := range tests {
		asked[test.operation] = true
		t.Run(name, func(t *testing.T) {
			if test.namespace == "" {
				test.namespace = "soc"
			}
			m := New(test.namespace, remember(), records{}, records{}, clock)
			got, err := m.Ask(context.Background(), test.operation, test.arguments)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			o, err := connectors.Find(m, test.operation)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.ValidateResult(got); got != nil && err != nil {
				t.Errorf("the answer does not fit its schema: %v", err)
			}
		})
	}
	for _, o := range operations {
		if !asked[o.Name] || asks[o.Name] == nil {
			t.Errorf("operation %s is not asked or not answered", o.Name)
		}
		if o.Mode != v1alpha1.OperationRead {
			t.Errorf("operation %s has mode %s", o.Name, o.Mode)
		}
	}
}

func TestAskRefuses(t *testing.T) {
	tests := map[string]struct {
		operation string
		arguments map[string]any
		want      error
		wantText  string
	}{
		"an unknown operation": {"forget", nil, connectors.ErrUnsupported, "forget"},
		"a missing argument":   {"rule-history", nil, connectors.ErrInvalid, "rule"},
		"an unknown argument":  {"rule-history", map[string]any{"rule": "a", "limit": 1}, connectors.ErrInvalid, "limit"},
		"a wrong type":         {"related-events", map[string]any{"entities": "Pod:a/b"}, connectors.ErrInvalid, "argument entities"},
		"a wrong time":         {"novelty", map[string]any{"actor": "a", "verb": "get", "resource": "pods", "before": "noon"}, connectors.ErrInvalid, "argument before"},
		"a wrong since":        {"related-events", map[string]any{"entities": []any{}, "since": ""}, connectors.ErrInvalid, "argument since"},
		"a wrong process":      {"process-novelty", map[string]any{"process": "a", "before": "noon"}, connectors.ErrInvalid, "argument before"},
		"a wrong destination":  {"destination-novelty", map[string]any{"destination": "a", "before": "noon"}, connectors.ErrInvalid, "argument before"},
		"a wrong image":        {"image-novelty", map[string]any{"image": "a", "namespace": "b", "before": "noon"}, connectors.ErrInvalid, "argument before"},
		"a wrong rate":         {"rate", map[string]any{"actor": "a", "at": "noon"}, connectors.ErrInvalid, "argument at"},
		"a wrong detail":       {"unfamiliar", map[string]any{"source": "a", "rule": "b", "before": "noon", "title": "", "attributes": map[string]any{}}, connectors.ErrInvalid, "argument before"},
		"a wrong recurrence":   {"recurrence", map[string]any{"source": "a", "rule": "b", "before": "noon"}, connectors.ErrInvalid, "argument before"},
		"a wrong origin":       {"origin", map[string]any{"actor": "a", "since": "noon"}, connectors.ErrInvalid, "argument since"},
		"a wrong departure":    {"departures", map[string]any{"actor": "a", "at": "noon"}, connectors.ErrInvalid, "argument at"},
		"a wrong at":           {"rollout", map[string]any{"actor": "a", "namespace": "b", "at": "12"}, connectors.ErrInvalid, "argument at"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New("soc", remember(), records{}, records{}, clock).Ask(context.Background(), test.operation, test.arguments)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.wantText) {
				t.Errorf("error is %v, want %v that names %q", err, test.want, test.wantText)
			}
		})
	}
}

func TestAskPassesErrorsOn(t *testing.T) {
	broken := errors.New("no cache")
	m := New("soc", remember(), records{broken}, records{broken}, clock)
	for operation, arguments := range map[string]map[string]any{
		"rule-history": {"rule": "shell"},
		"automation":   {"actor": "ci"},
	} {
		if _, err := m.Ask(context.Background(), operation, arguments); !errors.Is(err, broken) {
			t.Errorf("%s: error is %v, want %v", operation, err, broken)
		}
	}
}

// TestProvenance: what an actor or a sender names is untrusted, what is counted is not.
func TestProvenance(t *testing.T) {
	tests := map[string]map[string]bool{
		"related-events": {"count": false, "denied": false, "rules": true, "unusual": true, "events": true, "events.name": true},
		"novelty":        {"seenBefore": false, "count": false, "kindred": false, "deployer": false, "refused": false, "settled": false},
		"recurrence":     {"usual": false, "hours": false},
		"unfamiliar":     {"names": true, "values": true},
		"origin":         {"asEver": false, "knownHours": false, "newNetwork": false, "newClient": true, "clients": true, "otherWorkload": true},
		"departures":     {"accepted": false, "peak": false, "deeds": true, "tries": true},
		// What is usual of a name is had by taking the name.
		"process-novelty":     {"seenBefore": true, "hours": true, "baselineHours": true, "workload": true, "workloadSeenBefore": true, "guessed": true},
		"destination-novelty": {"seenBefore": true, "hours": true, "outside": true},
		"image-novelty":       {"seenBefore": true, "knownHours": true, "registry": true, "registrySeenBefore": true},
		"rate":                {"requests": false, "denied": false, "peak": false},
		"automation":          {"declared": false, "expectedNamespace": false},
		"rollout":             {"found": false, "alsoSteady": false, "workloads": true},
	}
	m := New("soc", remember(), records{}, records{}, clock)
	for name, paths := range tests {
		o, err := connectors.Find(m, name)
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range paths {
			if got := o.AttackerWritable(path); got != want {
				t.Errorf("%s: %s attacker-writable is %v, want %v", name, path, got, want)
			}
		}
	}
}
