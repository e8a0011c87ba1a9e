package story_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// standing waits until an action stands somewhere.
func (s *tenant) standing(name, reason string) *v1alpha1.ResponseAction {
	s.t.Helper()
	action := &v1alpha1.ResponseAction{}
	eventually(s.t, name+" to be "+reason, func(ctx context.Context) (bool, string) {
		if err := s.cluster.Client.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, action); err != nil {
			return false, err.Error()
		}
		return response.Standing(action) == reason, response.Standing(action)
	})
	return action
}

// counted checks that Falco's reports are one alert with their count.
func (v *shop) counted(want int64) {
	v.t.Helper()
	alerts := v.alerts()
	rules := []string{"secrets-listed-cluster-wide", "pod-with-node-access", "cluster-admin-bound", shellRule}
	for _, rule := range rules {
		if len(alerts[rule]) != 1 {
			v.t.Errorf("%d alerts of rule %s, want 1", len(alerts[rule]), rule)
		}
	}
	if len(alerts) != len(rules) {
		v.t.Errorf("alerts of %d rules, want %d", len(alerts), len(rules))
	}
	for _, a := range alerts[shellRule] {
		if a.Status.Count != want {
			v.t.Errorf("the shell is counted %d times, want %d", a.Status.Count, want)
		}
	}
}

// told is what the audit log says of an action's execution, by index.
type told struct {
	intents, results []int64
	outcomes         map[string]bool
}

// audited verifies a copy of the stopped operator's log, and that it tells of each
// action as it was: intents before the result, and one result. A process that was
// killed before it could write down that it logged the result says the same again.
func (s *tenant) audited(t *testing.T, kills int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.operator.file("data"), "audit"))); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "audit.pub"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(t.Context(), dir, strings.TrimSpace(string(key)))
	if err != nil || report.Unsigned != 0 {
		t.Fatalf("the log: %+v, %v", report, err)
	}
	log := s.read(dir)
	var actions v1alpha1.ResponseActionList
	s.list(&actions)
	for i := range actions.Items {
		a := &actions.Items[i]
		if wrong := log[a.Name].contradicts(a.Status, kills); wrong != "" {
			t.Errorf("%s: %s", a.Name, wrong)
		}
		delete(log, a.Name)
	}
	if len(log) > 0 {
		t.Errorf("the log tells of actions that do not exist: %v", log)
	}
}

// read returns what a log tells of the tenant's actions, by name.
func (s *tenant) read(dir string) map[string]*told {
	s.t.Helper()
	log := map[string]*told{}
	for e, err := range audit.Entries(dir) {
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Namespace != s.namespace || e.Type != audit.TypeIntent && e.Type != audit.TypeResult && e.Type != audit.TypeUndo {
			continue
		}
		if log[e.Action] == nil {
			log[e.Action] = &told{outcomes: map[string]bool{}}
		}
		a := log[e.Action]
		if e.Type == audit.TypeIntent {
			a.intents = append(a.intents, e.Index)
			continue
		}
		a.results = append(a.results, e.Index)
		a.outcomes[fmt.Sprint(e.Data["outcome"])] = true
	}
	return log
}

// contradicts says in what the log differs from what an action says of itself.
func (l *told) contradicts(status v1alpha1.ResponseActionStatus, kills int) string {
	if status.Execution == nil {
		if l != nil && len(l.intents) > 0 {
			return fmt.Sprintf("did nothing, but has the intents %v", l.intents)
		}
		return ""
	}
	if l == nil || len(l.intents) == 0 || len(l.results) == 0 || len(l.results) > 1+kills || len(l.outcomes) != 1 {
		return fmt.Sprintf("the log has %+v, want an intent and one result", l)
	}
	first, last := l.results[0], l.results[len(l.results)-1]
	switch {
	case status.Result == nil || status.Result.LogIndex == nil || *status.Result.LogIndex != last:
		return fmt.Sprintf("points to the result %+v, the log has it at %d", status.Result, last)
	case l.intents[len(l.intents)-1] > first || status.Execution.IntentIndex >= first:
		return fmt.Sprintf("has the intents %v and points to %d, want them before the result at %d", l.intents, status.Execution.IntentIndex, first)
	}
	return ""
}
