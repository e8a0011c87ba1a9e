package activity

import (
	"fmt"
	"testing"
	"time"
)

func TestDeedKind(t *testing.T) {
	for of, want := range map[Deed]string{
		{"create", "deployments", "shop"}:           "write workloads",
		{"patch", "pods", "pay"}:                    "write workloads",
		{"deletecollection", "pods", "pay"}:         "delete workloads",
		{"create", "pods/exec", "shop"}:             "write pods/exec",
		{"get", "pods/log", "shop"}:                 "read pods/log",
		{"list", "secrets", ""}:                     "read secrets",
		{"bind", "clusterroles", ""}:                "read rbac",
		{"update", "clusterrolebindings", ""}:       "write rbac",
		{"create", "serviceaccounts/token", "shop"}: "write identity",
		{}: "read ",
	} {
		if got := of.kind(); got != want {
			t.Errorf("%+v is %q, want %q", of, got, want)
		}
	}
}

func TestLikeness(t *testing.T) {
	const day = 24 * time.Hour
	asked := Deed{Verb: "create", Resource: "daemonsets", Namespace: "shop"}
	tests := map[string]struct {
		done                         map[Deed][]time.Duration
		elsewhere, kindred, deployer bool
	}{
		"nothing":                         {},
		"the like, there":                 {done: map[Deed][]time.Duration{{"create", "deployments", "shop"}: {8 * day}}, kindred: true},
		"the like, there, within the day": {done: map[Deed][]time.Duration{{"create", "deployments", "shop"}: {23 * time.Hour}}},
		"the like, in one other place":    {done: map[Deed][]time.Duration{{"create", "deployments", "pay"}: {8 * day}}},
		"the like, in two other places": {
			done: map[Deed][]time.Duration{{"create", "deployments", "pay"}: {8 * day}, {"patch", "jobs", "web"}: {8 * day}}, kindred: true,
		},
		"the same, in one other place": {done: map[Deed][]time.Duration{{"create", "daemonsets", "pay"}: {8 * day}}},
		"the same, in two other places": {
			done: map[Deed][]time.Duration{{"create", "daemonsets", "pay"}: {8 * day}, {"create", "daemonsets", "web"}: {8 * day}}, elsewhere: true, kindred: true,
		},
		"the same, in two other places, within the day": {
			done: map[Deed][]time.Duration{{"create", "daemonsets", "pay"}: {time.Hour}, {"create", "daemonsets", "web"}: {23 * time.Hour}},
		},
		"reading is not the like":  {done: map[Deed][]time.Duration{{"get", "daemonsets", "shop"}: {8 * day}, {"list", "daemonsets", "pay"}: {8 * day}}},
		"deleting is not the like": {done: map[Deed][]time.Duration{{"delete", "daemonsets", "shop"}: {8 * day}}},
		"a shell is not the like":  {done: map[Deed][]time.Duration{{"create", "pods/exec", "shop"}: {8 * day}}},
		"deploys for weeks, in two places": {
			done: map[Deed][]time.Duration{{"patch", "deployments", "pay"}: daily(20), {"patch", "deployments", "web"}: {8 * day}}, kindred: true, deployer: true,
		},
		"deploys for weeks, in one place": {done: map[Deed][]time.Duration{{"patch", "deployments", "pay"}: daily(20)}},
		"deploys for days":                {done: map[Deed][]time.Duration{{"patch", "deployments", "pay"}: daily(13), {"patch", "deployments", "web"}: {8 * day}}, kindred: true},
		"deploys now and then":            {done: map[Deed][]time.Duration{{"patch", "deployments", "pay"}: {20 * day, 9 * day, 2 * day}, {"patch", "deployments", "web"}: {8 * day}}, kindred: true},
		"deploys elsewhere since a day, once": {
			done: map[Deed][]time.Duration{{"patch", "deployments", "pay"}: daily(20), {"patch", "deployments", "web"}: {25 * time.Hour}},
		},
		"deploys elsewhere since today": {
			done: map[Deed][]time.Duration{{"patch", "deployments", "pay"}: daily(20), {"patch", "deployments", "web"}: {time.Hour}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			for deed, times := range test.done {
				for _, ago := range times {
					m.Record("soc", event(deed.Verb, deed.Resource, deed.Namespace, "x"), noon.Add(-ago))
				}
			}
			got := m.Novelty("soc", web, asked.Verb, asked.Resource, asked.Namespace, noon)
			if got.Elsewhere != test.elsewhere || got.Kindred != test.kindred || got.Deployer != test.deployer {
				t.Errorf("elsewhere %v, kindred %v, deployer %v; want %v, %v, %v", got.Elsewhere, got.Kindred, got.Deployer, test.elsewhere, test.kindred, test.deployer)
			}
		})
	}
}

// daily for so many days, the oldest first.
func daily(days int) []time.Duration {
	var all []time.Duration
	for day := days; day > 0; day-- {
		all = append(all, time.Duration(day)*24*time.Hour)
	}
	return all
}

// TestWhatIsRefused: a right that was taken away, and what is refused for ever.
func TestWhatIsRefused(t *testing.T) {
	list := func(edits ...func(map[string]any)) map[string]any { return event("list", "secrets", "", "", edits...) }
	tests := map[string]struct {
		accepted, refused            []int // days before noon
		wantRefused, wantSeen, usual bool
	}{
		"done for weeks, refused now":     {accepted: []int{20, 15, 10, 5}, refused: []int{0}, wantRefused: true, wantSeen: true, usual: true},
		"refused for weeks, as now":       {refused: []int{20, 15, 10, 5, 0}, wantRefused: true, wantSeen: true, usual: true},
		"refused for weeks, accepted now": {refused: []int{20, 15, 10, 5}, accepted: []int{0}},
		"refused for the first time":      {refused: []int{0}, wantRefused: true},
		"done for weeks, as now":          {accepted: []int{20, 15, 10, 5, 0}, wantSeen: true, usual: true},
		"accepted and refused now":        {accepted: []int{20, 0}, refused: []int{0}, wantSeen: true},
		"refused before, not now":         {accepted: []int{20}, refused: []int{5}, wantSeen: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			for _, day := range test.accepted {
				m.Record("soc", list(), noon.AddDate(0, 0, -day))
			}
			for _, day := range test.refused {
				m.Record("soc", list(code(403)), noon.AddDate(0, 0, -day))
			}
			got := m.Novelty("soc", web, "list", "secrets", "", noon)
			if got.Refused != test.wantRefused || got.SeenBefore != test.wantSeen || got.Usual() != test.usual {
				t.Errorf("%+v, want refused %v, seen %v, usual %v", got, test.wantRefused, test.wantSeen, test.usual)
			}
		})
	}
}

// TestRelatedRefusals: repeats of a refused request count once, and what is always refused not at all.
func TestRelatedRefusals(t *testing.T) {
	m := New(DefaultLimits)
	for day := range 20 {
		m.Record("soc", event("list", "nodes", "", "", code(403)), noon.AddDate(0, 0, day-20))
	}
	for i := range 9 {
		m.Record("soc", event("list", "nodes", "", "", code(403)), noon.Add(time.Duration(i)*time.Second))
		m.Record("soc", event("get", "secrets", "shop", fmt.Sprint(i%3), code(403)), noon.Add(time.Duration(i)*time.Second))
	}
	m.Record("soc", event("get", "secrets", "pay", "", code(401)), noon)
	m.Record("soc", event("get", "secrets", "web", "", code(404)), noon)
	if got := m.Related("soc", []string{"ServiceAccount:shop/web"}, noon); got.Count != 20 || got.Denied != 4 {
		t.Errorf("%d events, %d of them refused, want 20 and 4", got.Count, got.Denied)
	}
}

// TestRelatedUnusual: a rule that keeps firing about the same is no news, one that does not is.
func TestRelatedUnusual(t *testing.T) {
	m := New(DefaultLimits)
	rememberWeb(m)
	m.RecordAlert("soc", sensed(webPod, webImage, noon))
	miner := sensed(webPod, webImage, noon)
	miner.Rule = "miner"
	m.RecordAlert("soc", miner)
	got := m.Related("soc", []string{"Pod:" + webPod}, noon)
	if len(got.Rules) != 2 || len(got.Unusual) != 1 || got.Unusual[0] != "miner" {
		t.Errorf("rules %v, of which %v are unusual", got.Rules, got.Unusual)
	}
}
