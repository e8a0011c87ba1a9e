package activity

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const web = "system:serviceaccount:shop:web"

// event by the ServiceAccount shop/web unless it is edited.
func event(verb, resource, namespace, name string, edits ...func(map[string]any)) map[string]any {
	raw := map[string]any{
		"stage": "ResponseComplete", "verb": verb, "user": map[string]any{"username": web}, "sourceIPs": []any{"10.0.0.1"},
		"objectRef":      map[string]any{"resource": resource, "namespace": namespace, "name": name},
		"responseStatus": map[string]any{"code": 200.0},
	}
	for _, edit := range edits {
		edit(raw)
	}
	return raw
}

func set(field string, value any) func(map[string]any) {
	return func(raw map[string]any) { raw[field] = value }
}

func code(c float64) func(map[string]any)      { return set("responseStatus", map[string]any{"code": c}) }
func from(address string) func(map[string]any) { return set("sourceIPs", []any{address}) }

func TestRelated(t *testing.T) {
	m := New(DefaultLimits)
	m.Record("soc", event("get", "secrets", "shop", "old"), noon.Add(-2*time.Hour))
	m.Record("soc", event("list", "secrets", "shop", ""), noon)
	m.Record("soc", event("create", "pods", "shop", "tmp", code(403)), noon.Add(time.Second))
	m.Record("soc", event("get", "pods", "shop", "tmp", set("user", map[string]any{"username": "alice"})), noon.Add(2*time.Second))
	m.Record("other", event("delete", "pods", "shop", "tmp"), noon)
	for _, rule := range []string{"shell", "shell", "miner"} {
		m.RecordAlert("soc", v1alpha1.AlertSpec{
			Rule: rule, FirstSeen: metav1.NewMicroTime(noon),
			Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityServiceAccount, Value: "shop/web"}},
		})
	}
	m.Record("soc", event("get", "pods", "shop", "tmp", set("stage", "RequestReceived")), noon)
	m.Record("soc", event("patch", "pods", "shop", "tmp", set("requestURI", "/x?dryRun=All")), noon)

	tests := map[string]struct {
		keys  []string
		since time.Time
		want  Summary
	}{
		"an actor, since noon": {
			keys: []string{"ServiceAccount:shop/web"}, since: noon,
			want: Summary{Count: 2, Denied: 1, Alerts: 3, Rules: []string{"miner", "shell"}, Unusual: []string{"miner", "shell"}, Verbs: []string{"create", "list"}},
		},
		"what two entities share counts once": {
			keys: []string{"ServiceAccount:shop/web", "Pod:shop/tmp"}, since: noon,
			want: Summary{Count: 3, Denied: 1, Alerts: 3, Rules: []string{"miner", "shell"}, Unusual: []string{"miner", "shell"}, Verbs: []string{"create", "get", "list"}},
		},
		"nobody":         {keys: []string{"User:nobody"}},
		"nothing so new": {keys: []string{"ServiceAccount:shop/web"}, since: noon.Add(time.Hour)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := m.Related("soc", test.keys, test.since)
			if want := test.want.Count + test.want.Alerts; len(got.Events) != want {
				t.Errorf("%d events, want %d", len(got.Events), want)
			}
			got.Events = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
	newest := m.Related("soc", []string{"Pod:shop/tmp"}, noon).Events[0]
	want := Brief{At: noon.Add(2 * time.Second), Actor: "alice", Verb: "get", Resource: "pods", Namespace: "shop", Name: "tmp", Code: 200}
	if diff := cmp.Diff(want, newest); diff != "" {
		t.Errorf("newest event (-want +got):\n%s", diff)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	limits := Limits{Events: 100, PerEntity: 10, Entities: 20, Owners: 20, Actors: 20, Deeds: 20, Tries: 20, Origins: 20, Details: 20, Processes: 20, Destinations: 20, Images: 20, Firings: 20}
	m := New(limits)
	for i := range 5000 {
		at := noon.Add(time.Duration(i) * time.Second)
		user := map[string]any{"username": fmt.Sprintf("user-%d", i%500)}
		m.Record("soc", event("create", "deployments", "shop", fmt.Sprintf("d-%d", i), set("user", user), from(fmt.Sprintf("10.0.%d.%d", i/250, i%250)),
			set("stage", "ResponseStarted"), set("auditID", fmt.Sprint(i))), at)
		m.Record("soc", event("get", "pods", "shop", "p", from(fmt.Sprintf("10.0.%d.%d", i/250, i%250))), at)
		m.Record("soc", podOf(fmt.Sprintf("w-%d", i), fmt.Sprintf("registry-%d.example/image:1", i)), at)
		m.RecordFiring("soc", fired("r", fmt.Sprintf("user-%d", i%500), fmt.Sprint(i), at))
		m.RecordAlert("soc", runs(fmt.Sprintf("shop/p-%d-x", i), fmt.Sprintf("/bin/%d", i), fmt.Sprintf("d-%d.example", i), at))
	}
	tenant := m.tenants["soc"]
	got := Limits{
		Events: len(tenant.events.ring), Entities: tenant.entities.Len(), Owners: tenant.controllers.Len(), PerEntity: 10,
		Actors: size(t, tenant.actors), Deeds: size(t, tenant.deeds), Processes: size(t, tenant.processes),
		Destinations: size(t, tenant.destinations), Firings: size(t, tenant.firings), Details: size(t, tenant.details),
		Tries: 20, Origins: 20, Images: 20,
	}
	for name, table := range tenant.tables() {
		if n := size(t, table); n > 20 {
			t.Errorf("%d %s", n, name)
		}
	}
	if diff := cmp.Diff(limits, got); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	for _, key := range tenant.entities.Keys() {
		if p, _ := tenant.entities.Peek(key); len(p.latest) > limits.PerEntity {
			t.Errorf("%s has %d events", key, len(p.latest))
		}
	}
	if s := m.Related("soc", []string{"ServiceAccount:shop/web"}, noon); s.Count != 10 || s.Events[0].At != noon.Add(4999*time.Second) {
		t.Errorf("%d events, the newest at %s", s.Count, s.Events[0].At)
	}
}

func TestOverwrittenEventsAreForgotten(t *testing.T) {
	limits := DefaultLimits
	limits.Events = 4
	m := New(limits)
	m.Record("soc", event("get", "pods", "shop", "first"), noon)
	for range 4 {
		m.Record("soc", event("get", "pods", "shop", "later"), noon)
	}
	if s := m.Related("soc", []string{"Pod:shop/first"}, noon); s.Count != 0 {
		t.Errorf("%d events, want none: %v", s.Count, s.Events)
	}
}

func TestNovelty(t *testing.T) {
	list := func(edits ...func(map[string]any)) map[string]any { return event("list", "secrets", "", "", edits...) }
	other := event("get", "pods", "shop", "p")
	type record struct {
		raw map[string]any
		at  time.Time
	}
	tests := map[string]struct {
		records []record
		want    Novelty
	}{
		"nothing is remembered": {},
		"the first time, repeated by an intruder": {
			records: []record{{list(), noon}, {list(), noon.Add(time.Second)}, {list(), noon.Add(2 * time.Hour)}},
			want:    Novelty{},
		},
		"a known actor does something new": {
			records: []record{{other, noon.Add(-48 * time.Hour)}, {list(), noon}},
			want:    Novelty{Familiarity: Familiarity{BaselineAge: 48 * time.Hour}, ActorSeenBefore: true, ActorFirstSeen: noon.Add(-48 * time.Hour)},
		},
		"routine in three hours": {
			records: []record{{list(), noon.Add(-3 * time.Hour)}, {list(), noon.Add(-2 * time.Hour)}, {list(), noon.Add(-2 * time.Hour)}, {list(), noon.Add(-time.Hour)}, {list(), noon}, {list(), noon}},
			want:    Novelty{Familiarity: Familiarity{SeenBefore: true, FirstSeen: noon.Add(-3 * time.Hour), Known: 3 * time.Hour, Count: 4, Hours: 3, BaselineAge: 3 * time.Hour}, ActorSeenBefore: true, ActorFirstSeen: noon.Add(-3 * time.Hour)},
		},
		"refused before is not done before": {
			records: []record{{list(code(403)), noon.Add(-time.Hour)}, {list(), noon}},
			want:    Novelty{Familiarity: Familiarity{BaselineAge: time.Hour}, ActorSeenBefore: true, ActorFirstSeen: noon.Add(-time.Hour)},
		},
		"another namespace is another deed": {
			records: []record{{event("list", "secrets", "shop", ""), noon.Add(-time.Hour)}, {list(), noon}},
			want:    Novelty{Familiarity: Familiarity{BaselineAge: time.Hour}, ActorSeenBefore: true, ActorFirstSeen: noon.Add(-time.Hour)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			for _, r := range test.records {
				m.Record("soc", r.raw, r.at)
			}
			if diff := cmp.Diff(test.want, m.Novelty("soc", web, "list", "secrets", "", noon)); diff != "" {
				t.Errorf("novelty (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHistoryOfManyHours(t *testing.T) {
	var h history
	for i := range 100 {
		h.saw(noon.Add(time.Duration(i-100) * time.Hour))
	}
	h.saw(noon.Add(-200 * time.Hour)) // late
	for range 1000 {
		h.saw(noon.Add(time.Minute))
	}
	// Four days of a half-life of 180.
	if count, hours := h.before(noon); count != 100 || hours != 99 {
		t.Errorf("%d times in %d hours, want 100 in 99", count, hours)
	}
	// What is older than the hours counted apart is not known to be older than the moment.
	if count, hours := h.before(noon.Add(-50 * time.Hour)); count != 0 || hours != 0 {
		t.Errorf("%d times in %d hours, want none", count, hours)
	}
}

func TestSessionsCountOnce(t *testing.T) {
	m := New(DefaultLimits)
	session := func(stage string) map[string]any {
		return event("get", "pods", "shop", "web-0", set("stage", stage), set("auditID", "a-1"))
	}
	m.Record("soc", session("ResponseStarted"), noon)
	m.Record("soc", session("ResponseComplete"), noon.Add(time.Hour))
	m.Record("soc", session("ResponseComplete"), noon.Add(time.Hour)) // its beginning was not seen
	if s := m.Related("soc", []string{"Pod:shop/web-0"}, noon); s.Count != 2 {
		t.Errorf("%d events, want 2", s.Count)
	}
}

func TestRollout(t *testing.T) {
	deploy := func(namespace, name string, edits ...func(map[string]any)) map[string]any {
		raw := event("patch", "deployments", namespace, name, edits...)
		raw["objectRef"].(map[string]any)["apiGroup"] = "apps"
		return raw
	}
	m := New(DefaultLimits)
	m.Record("soc", deploy("shop", "web"), noon.Add(-24*time.Hour))
	m.Record("soc", deploy("shop", "web"), noon.Add(-9*time.Minute))
	m.Record("soc", deploy("shop", "api"), noon.Add(10*time.Minute))
	m.Record("soc", deploy("shop", "late"), noon.Add(11*time.Minute))
	m.Record("soc", deploy("shop", "refused", code(403)), noon)
	m.Record("soc", deploy("shop", "dry", set("requestURI", "/x?dryRun=All")), noon)
	m.Record("soc", deploy("pay", "ledger"), noon)
	m.Record("soc", event("get", "deployments", "shop", "read"), noon)

	tests := map[string]struct {
		namespace string
		at        time.Time
		want      Rollout
	}{
		"steady":                {"shop", noon, Rollout{Workloads: []string{"Deployment/api", "Deployment/web"}, Steady: true}},
		"the first time":        {"pay", noon, Rollout{Workloads: []string{"Deployment/ledger"}}},
		"none at this time":     {"shop", noon.Add(-12 * time.Hour), Rollout{}},
		"none in the namespace": {"none", noon, Rollout{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, m.Rollout("soc", web, test.namespace, test.at, 10*time.Minute)); diff != "" {
				t.Errorf("rollout (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("an actor's many changes do not hide that it is steady", func(t *testing.T) {
		for i := range 3 * maxChanges {
			m.Record("soc", deploy("shop", fmt.Sprintf("w-%d", i)), noon)
		}
		if r := m.Rollout("soc", web, "shop", noon, 10*time.Minute); !r.Steady || len(r.Workloads) != maxChanges {
			t.Errorf("steady %v, %d workloads", r.Steady, len(r.Workloads))
		}
	})
}

func TestMemoryIsSafeForConcurrentUse(_ *testing.T) {
	m := New(DefaultLimits)
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for range 200 {
				m.Record("soc", event("get", "pods", "shop", fmt.Sprint(i)), noon)
				m.Related("soc", []string{"ServiceAccount:shop/web"}, noon)
				m.Novelty("soc", web, "get", "pods", "shop", noon)
				m.Rollout("soc", web, "shop", noon, time.Hour)
			}
		})
	}
	work.Wait()
}

// BenchmarkRecord shows that an event costs the same when much is remembered.
func BenchmarkRecord(b *testing.B) {
	for _, remembered := range []int{1000, 200000} {
		b.Run(fmt.Sprint(remembered), func(b *testing.B) {
			m := New(DefaultLimits)
			raw := event("get", "pods", "shop", "p")
			fill := func(i int) {
				raw["user"] = map[string]any{"username": fmt.Sprintf("user-%d", i)}
				m.Record("soc", raw, noon)
			}
			for i := range remembered {
				fill(i)
			}
			for i := 0; b.Loop(); i++ {
				fill(i % remembered)
			}
		})
	}
}
