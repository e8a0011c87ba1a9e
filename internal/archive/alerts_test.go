package archive

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func history(t testing.TB, a *Archive, namespace, rule, except string) RuleHistory {
	t.Helper()
	found, err := a.RuleHistory(t.Context(), namespace, rule, except)
	must(t, err)
	return found
}

func alert(name, rule string, at time.Time) Alert {
	return Alert{Namespace: "soc", Name: name, Rule: rule, FirstSeen: at}
}

// Whatever is put twice counts once, also after a restart; rules and tenants do not mix.
func TestAlertsCountOnce(t *testing.T) {
	dir := t.TempDir()
	clock := &calendar{noon}
	alerts := []Alert{
		alert("a", "shell", noon.Add(-time.Hour)), alert("b", "shell", noon), alert("c", "miner", noon.Add(-2*time.Hour)), alert("a", "shell", noon.Add(-time.Hour)),
	}
	other := Alert{Namespace: "other", Name: "a", Rule: "shell", FirstSeen: noon.Add(-3 * time.Hour)}
	for range 2 {
		a, err := Open(t.Context(), dir, clock.now)
		must(t, err)
		for range 2 {
			must(t, a.PutAlerts(t.Context(), alerts...))
			must(t, a.PutAlerts(t.Context(), other))
		}
		tests := map[string]struct {
			namespace, rule string
			want            RuleHistory
		}{
			"two alerts":           {"soc", "shell", RuleHistory{Fired: 2, LastFired: noon}},
			"another rule":         {"soc", "miner", RuleHistory{Fired: 1, LastFired: noon.Add(-2 * time.Hour)}},
			"another tenant":       {"other", "shell", RuleHistory{Fired: 1, LastFired: noon.Add(-3 * time.Hour)}},
			"a rule without alert": {"soc", "other", RuleHistory{}},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				if diff := cmp.Diff(tt.want, history(t, a, tt.namespace, tt.rule, "")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		must(t, a.Close())
	}
}
