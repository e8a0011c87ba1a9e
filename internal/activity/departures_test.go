package activity

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDepartures(t *testing.T) {
	m := New(DefaultLimits)
	do := func(verb, resource, namespace string, at time.Duration, edits ...func(map[string]any)) {
		m.Record("soc", event(verb, resource, namespace, "x", edits...), noon.Add(at))
	}
	const day = 24 * time.Hour
	// Its first day, which tells nothing; then an hour with two new deeds, one with one, and one more refused.
	for i, resource := range []string{"pods", "services", "configmaps", "events"} {
		do("get", resource, "shop", -10*day+time.Duration(i)*time.Minute)
	}
	do("list", "pods", "shop", -8*day)
	do("list", "services", "shop", -8*day+time.Minute)
	do("list", "events", "shop", -6*day)
	do("list", "nodes", "", -6*day, code(403))
	// Around noon, an hour either way.
	do("create", "pods", "shop", -61*time.Minute)
	do("delete", "pods", "pay", time.Hour)
	do("get", "secrets", "shop", -time.Hour)
	do("get", "secrets", "pay", 0, code(403))
	do("list", "nodes", "", 0, code(403))
	do("get", "pods", "shop", 0)
	do("patch", "pods", "shop", 61*time.Minute)
	do("get", "nodes", "", 0, func(raw map[string]any) { raw["user"] = map[string]any{"username": "alice"} })

	tests := map[string]struct {
		namespace, actor string
		at               time.Duration
		want             Departures
		wantNamespaces   int
	}{
		"around noon": {
			actor: web, at: 0, wantNamespaces: 2,
			want: Departures{
				Known: 10 * day, Peak: 2,
				New:     []Deed{{"get", "secrets", "shop"}, {"delete", "pods", "pay"}},
				Refused: []Deed{{"get", "secrets", "pay"}},
			},
		},
		"a day with one": {actor: web, at: -6 * day, wantNamespaces: 1, want: Departures{
			Known: 4 * day, Peak: 2, New: []Deed{{"list", "events", "shop"}}, Refused: []Deed{{"list", "nodes", ""}},
		}},
		"the first day": {actor: web, at: -10 * day, wantNamespaces: 1, want: Departures{New: []Deed{
			{"get", "pods", "shop"}, {"get", "services", "shop"}, {"get", "configmaps", "shop"}, {"get", "events", "shop"}}}},
		"a newcomer":     {actor: "alice", at: 0, want: Departures{New: []Deed{{"get", "nodes", ""}}}},
		"nobody":         {actor: "bob", at: 0},
		"another tenant": {namespace: "other", actor: web, at: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := test.namespace
			if in == "" {
				in = "soc"
			}
			got := m.Departures(in, test.actor, noon.Add(test.at))
			if diff := cmp.Diff(test.want, got); diff != "" || got.Namespaces() != test.wantNamespaces {
				t.Errorf("in %d namespaces (-want +got):\n%s", got.Namespaces(), diff)
			}
		})
	}
}

// TestDeparturesElsewhere: who does something in two namespaces for weeks may do it in a third.
func TestDeparturesElsewhere(t *testing.T) {
	m := New(DefaultLimits)
	const day = 24 * time.Hour
	for i := range 10 {
		for _, namespace := range []string{"shop", "pay"} {
			m.Record("soc", event("delete", "persistentvolumeclaims", namespace, "x"), noon.Add(-time.Duration(20-i)*day))
		}
	}
	m.Record("soc", event("delete", "persistentvolumeclaims", "new", "x"), noon)
	m.Record("soc", event("delete", "secrets", "new", "x"), noon)
	got := m.Departures("soc", web, noon)
	if len(got.New) != 2 || got.Elsewhere != 1 {
		t.Errorf("%d departures, %d of them done elsewhere: %v", len(got.New), got.Elsewhere, got.New)
	}
}
