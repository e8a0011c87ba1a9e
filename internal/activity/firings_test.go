package activity

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestRecurrence(t *testing.T) {
	m := New(DefaultLimits)
	for day := 30; day > 0; day-- {
		m.Reached("EVENTS-1", uint64(31-day))
		m.RecordFiring("soc", fired("exec", "alice", "shop", noon.AddDate(0, 0, -day)))
	}
	sensor := v1alpha1.AlertSpec{Source: "falco", Rule: "exec", Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Value: "shop/web-0"}}}
	sensor.FirstSeen.Time = noon.AddDate(0, 0, -1)
	m.RecordFiring("soc", sensor)

	same := Firing{Source: "audit", Rule: "exec", Actor: "alice", Namespace: "shop"}
	tests := map[string]struct {
		namespace string
		of        func(*Firing)
		wantHours int
	}{
		"the same":                   {of: func(*Firing) {}, wantHours: 29},
		"another rule":               {of: func(f *Firing) { f.Rule = "attach" }},
		"somebody else":              {of: func(f *Firing) { f.Actor = "bob" }},
		"elsewhere":                  {of: func(f *Firing) { f.Namespace = "payments" }},
		"in the words of a sender":   {of: func(f *Firing) { f.Source = "generic" }},
		"in another tenant":          {namespace: "other", of: func(*Firing) {}},
		"nobody, whom a sensor sees": {of: func(f *Firing) { f.Source, f.Actor, f.Namespace = "falco", "", "" }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			asked, in := same, tc.namespace
			if in == "" {
				in = "soc"
			}
			tc.of(&asked)
			got, _ := m.Recurrence(in, asked, noon)
			// A month of days decays a little.
			if got.Hours < tc.wantHours-2 || got.Hours > tc.wantHours+1 || got.SeenBefore != (tc.wantHours > 0) {
				t.Errorf("%+v, want about %d hours", got, tc.wantHours)
			}
			if tc.wantHours > 0 && noon.Sub(got.FirstSeen) != 30*24*time.Hour {
				t.Errorf("first seen %s", got.FirstSeen)
			}
		})
	}
}

// TestAnywhere: what an actor does in one namespace after the other is usual of it, and of
// nobody else; and so is what runs an image, but for pods whose maker may choose any.
func TestAnywhere(t *testing.T) {
	m := New(DefaultLimits)
	m.Reached("EVENTS-1", 1)
	m.Record("soc", made("mallory", "tmp", ""), noon)
	for day := 20; day > 0; day-- {
		m.RecordFiring("soc", fired("exec", "alice", fmt.Sprintf("team-%d", day), noon.AddDate(0, 0, -day)))
		m.RecordFiring("soc", sensed(webPod, webImage, noon.AddDate(0, 0, -day)))
	}
	for of, want := range map[Firing]bool{
		{Source: "audit", Rule: "exec", Actor: "alice", Namespace: "shop"}:   true,
		{Source: "audit", Rule: "attach", Actor: "alice", Namespace: "shop"}: false,
		{Source: "other", Rule: "exec", Actor: "alice", Namespace: "shop"}:   false,
		{Source: "audit", Rule: "exec", Actor: "bob", Namespace: "team-1"}:   false,
		{Source: "falco", Rule: "shell", Of: Subject{Pod: webPod}}:           false,

		{Source: "falco", Rule: "shell", Of: Subject{Pod: "pay/api-79fc758899-mgj2w"}, Image: webImage}:            true,
		{Source: "falco", Rule: "shell", Of: Subject{Pod: "pay/api-79fc758899-mgj2w"}, Image: "ghcr.io/pay/api:1"}: false,
		{Source: "falco", Rule: "miner", Of: Subject{Pod: "pay/api-79fc758899-mgj2w"}, Image: webImage}:            false,
		{Source: "falco", Rule: "shell", Of: Subject{Pod: "shop/tmp"}, Image: webImage}:                            false,
	} {
		if got := m.Anywhere("soc", of, noon); got.Usual() != want {
			t.Errorf("%+v: %+v, want usual %v", of, got, want)
		}
	}
}

// sensed is what a sensor reports of a pod that runs an image.
func sensed(pod, image string, at time.Time) v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{Source: "falco", Rule: "shell", FirstSeen: metav1.NewMicroTime(at), Entities: []v1alpha1.Entity{
		{Type: v1alpha1.EntityPod, Value: pod, Role: v1alpha1.RoleActor}, {Type: v1alpha1.EntityContainerImage, Value: image},
	}}
}

// made is a pod that somebody makes by hand, in words that the log has of it.
func made(by, name, generateName string) map[string]any {
	raw := event("create", "pods", "shop", "", set("user", map[string]any{"username": by}))
	raw["requestObject"] = map[string]any{"metadata": map[string]any{"name": name, "generateName": generateName}}
	return raw
}

const (
	webPod   = "shop/web-79fc758899-mgj2w"
	webImage = "ghcr.io/shop/web:1"
)

// TestRecurrenceOfWorkloads: what a sensor keeps reporting belongs to a workload and its
// image, and to nobody who takes their names.
func TestRecurrenceOfWorkloads(t *testing.T) {
	tests := map[string]struct {
		// before the alert, beside thirty days in which the rule fired about shop/web.
		events []map[string]any
		alert  v1alpha1.AlertSpec
		want   bool
	}{
		"the same pod":                     {alert: sensed(webPod, webImage, noon), want: true},
		"another pod of it, a newer image": {alert: sensed("shop/web-79fc758899-x7k2p", "ghcr.io/shop/web:2", noon), want: true},
		"the workload itself":              {alert: ofDeployment("Deployment/shop/web", webImage), want: true},
		"another workload of the image":    {alert: sensed("shop/canary-79fc758899-mgj2w", webImage, noon), want: true},
		"another Deployment of the image":  {alert: ofDeployment("Deployment/shop/canary", webImage), want: true},
		"another image in the pod":         {alert: sensed(webPod, "evil.example/web", noon)},
		"without an image":                 {alert: sensed(webPod, "", noon)},
		"another namespace":                {alert: sensed("pay/web-79fc758899-mgj2w", webImage, noon)},
		"another workload, another image":  {alert: sensed("shop/api-0", "ghcr.io/shop/api", noon)},
		"no pod":                           {alert: v1alpha1.AlertSpec{Source: "falco", Rule: "shell"}},
		"made by hand":                     {events: []map[string]any{made("mallory", "web-79fc758899-b8c9d", "")}, alert: sensed("shop/web-79fc758899-b8c9d", webImage, noon)},
		"made by hand, of which the name is logged alone": {
			events: []map[string]any{event("create", "pods", "shop", "web-79fc758899-b8c9d", by("mallory"))}, alert: sensed("shop/web-79fc758899-b8c9d", webImage, noon),
		},
		"made by hand, with a generated name": {events: []map[string]any{made("mallory", "", "canary-")}, alert: sensed("shop/canary-b8c9d", webImage, noon)},
		"made by hand, with a name as of a ReplicaSet": {
			events: []map[string]any{made("mallory", "", "web-79fc758899-")}, alert: sensed("shop/web-79fc758899-b8c9d", webImage, noon),
		},
		"made by hand, before the ReplicaSet makes another": {
			events: []map[string]any{made("mallory", "", "web-79fc758899-"), podOf("web-79fc758899", webImage)}, alert: sensed("shop/web-79fc758899-b8c9d", webImage, noon),
		},
		"made by hand, twice": {
			events: []map[string]any{made("mallory", "", "web-79fc758899-"), made("mallory", "", "web-79fc758899-")}, alert: sensed("shop/web-79fc758899-b8c9d", webImage, noon),
		},
		"a request to make it that was refused": {
			events: []map[string]any{event("create", "pods", "shop", "web-79fc758899-b8c9d", by("mallory"), code(403))}, alert: sensed("shop/web-79fc758899-b8c9d", webImage, noon), want: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			rememberWeb(m)
			for _, raw := range test.events {
				m.Record("soc", raw, noon.Add(-time.Minute))
			}
			got, ok := m.Recurrence("soc", firingOf(test.alert), noon)
			if got.Usual() != test.want || got.SeenBefore != test.want {
				t.Errorf("%+v, want usual %v", got, test.want)
			}
			if known := len(test.alert.Entities) > 0; ok != known {
				t.Errorf("it is about something: %v", ok)
			}
		})
	}
}

func ofDeployment(workload, image string) v1alpha1.AlertSpec {
	spec := sensed("", image, noon)
	spec.Entities[0] = v1alpha1.Entity{Type: v1alpha1.EntityWorkload, Value: workload}
	return spec
}

// rememberWeb: the control plane makes a pod of shop/web, about which a rule fires for a month.
func rememberWeb(m *Memory) {
	m.Reached("EVENTS-1", 1)
	m.Record("soc", podOf("web-79fc758899", webImage), noon.AddDate(0, 0, -31))
	for day := 30; day > 0; day-- {
		m.RecordFiring("soc", sensed(webPod, webImage, noon.AddDate(0, 0, -day)))
	}
}

// TestRecurrenceOfMakers: what a maker's pods are reported for is the maker's, and the
// workload's that they look like only if it has made pods there for weeks.
func TestRecurrenceOfMakers(t *testing.T) {
	const runner = "system:serviceaccount:ci:runner"
	makes := func(m *Memory, by string, days ...int) {
		for _, day := range days {
			m.Record("soc", made(by, fmt.Sprintf("web-79fc758899-run%d%d", day/10, day%10), ""), noon.AddDate(0, 0, -day))
		}
	}
	tests := map[string]struct {
		remember func(*Memory)
		pod      string
		want     bool
	}{
		"its own habit": {pod: "shop/web-79fc758899-run00", want: true, remember: func(m *Memory) {
			makes(m, runner, 20, 15, 10, 5, 0)
			for _, day := range []int{20, 15, 10, 5} {
				m.RecordFiring("soc", sensed(fmt.Sprintf("shop/web-79fc758899-run%d%d", day/10, day%10), "ghcr.io/ci/run", noon.AddDate(0, 0, -day)))
			}
		}},
		"somebody else's": {pod: "shop/web-79fc758899-run00", remember: func(m *Memory) {
			makes(m, runner, 20, 15, 10, 5)
			makes(m, "mallory", 0)
			for _, day := range []int{20, 15, 10, 5} {
				m.RecordFiring("soc", sensed(fmt.Sprintf("shop/web-79fc758899-run%d%d", day/10, day%10), "ghcr.io/ci/run", noon.AddDate(0, 0, -day)))
			}
		}},
		"the workload's, of one who has made pods for weeks": {pod: "shop/web-79fc758899-run00", want: true, remember: func(m *Memory) {
			makes(m, runner, 20, 15, 10, 5, 0)
			rememberLike(m, "ghcr.io/ci/run")
		}},
		"the workload's, of one who has not": {pod: "shop/web-79fc758899-run00", remember: func(m *Memory) {
			makes(m, runner, 3, 2, 1, 0)
			rememberLike(m, "ghcr.io/ci/run")
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			m.Reached("EVENTS-1", 1)
			m.Record("soc", event("get", "pods", "shop", "x"), noon.AddDate(0, 0, -31))
			test.remember(m)
			if got, _ := m.Recurrence("soc", firingOf(sensed(test.pod, "ghcr.io/ci/run:2", noon)), noon); got.Usual() != test.want {
				t.Errorf("%+v, want usual %v", got, test.want)
			}
		})
	}
}

// rememberLike: the rule fires for a month about a pod of shop/web of which nobody knows who made it.
func rememberLike(m *Memory, image string) {
	for day := 30; day > 0; day-- {
		m.RecordFiring("soc", sensed(webPod, image, noon.AddDate(0, 0, -day)))
	}
}

// TestConnected: of what a source did not report while it was not there, nothing is known.
func TestConnected(t *testing.T) {
	tests := map[string]struct {
		connected time.Duration
		want      time.Duration
	}{
		"for long, and nothing fired": {connected: 40 * 24 * time.Hour, want: 30 * 24 * time.Hour},
		"since yesterday":             {connected: 24 * time.Hour, want: 24 * time.Hour},
		"only now":                    {connected: -time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			m.Record("soc", event("get", "pods", "shop", "x"), noon.AddDate(0, 0, -30))
			m.Connected("soc", "falco", noon.Add(-test.connected))
			m.RecordFiring("soc", sensed("shop/other-0", "x", noon))
			got, ok := m.Recurrence("soc", firingOf(sensed(webPod, webImage, noon)), noon)
			if got.BaselineAge != test.want || got.SeenBefore || !ok {
				t.Errorf("%+v (%v), want a baseline of %s", got, ok, test.want)
			}
		})
	}
	m := New(DefaultLimits)
	m.Record("soc", event("get", "pods", "shop", "x"), noon.AddDate(0, 0, -30))
	m.RecordFiring("soc", sensed("shop/other-0", "x", noon.Add(-time.Hour)))
	if got, _ := m.Recurrence("soc", firingOf(sensed(webPod, webImage, noon)), noon); got.BaselineAge != time.Hour {
		t.Errorf("a source of which nobody tells since when it is there: %s", got.BaselineAge)
	}
}

// TestFiringsCountOnce: what a snapshot covers is not counted again, and what none covers is.
func TestFiringsCountOnce(t *testing.T) {
	tell := func(m *Memory, from, to int) {
		for i := from; i <= to; i++ {
			m.Reached("EVENTS-1", uint64(i))
			m.RecordFiring("soc", sensed(webPod, webImage, noon.Add(time.Duration(i)*time.Hour)))
		}
	}
	before := New(DefaultLimits)
	tell(before, 1, 5)
	after := New(DefaultLimits)
	if err := after.Restore(snapshot(t, before)); err != nil {
		t.Fatal(err)
	}
	tell(after, 1, 7)
	if got, _ := after.Recurrence("soc", firingOf(sensed(webPod, webImage, noon)), noon.Add(9*time.Hour)); got.Count != 7 || got.Hours != 7 {
		t.Errorf("%d times in %d hours, want 7", got.Count, got.Hours)
	}
}

// BenchmarkRecordFiring of an alert with as many attributes as Falco sends, all of them new or none.
func BenchmarkRecordFiring(b *testing.B) {
	for name, varied := range map[string]bool{"known": false, "flood": true} {
		b.Run(name, func(b *testing.B) {
			m := New(DefaultLimits)
			m.Reached("EVENTS-1", 1)
			spec := sensed(webPod, webImage, noon)
			spec.Title, spec.Attributes = "A shell was spawned in a container with an attached terminal", map[string]string{}
			for i := range 18 {
				spec.Attributes[fmt.Sprintf("proc.field%c", 'a'+i)] = "sh -c 'tar -c /data/4711 | gzip -9'"
			}
			spec.Attributes["fd.name"], spec.Attributes["fd.sip"] = "10.0.0.1:51234->203.0.113.7:443", "203.0.113.7"
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if varied {
					spec.Attributes["proc.cmdline"] = "sh -c " + strings.Repeat("x", i%4096)
				}
				m.RecordFiring("soc", spec)
			}
		})
	}
}
