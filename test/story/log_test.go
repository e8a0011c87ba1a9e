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

// audited verifies a copy of the stopped operator's log, and that it tells of each
// action as it was: the intent before the result, and one result.
func (s *tenant) audited(t *testing.T) {
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
	intents, results := map[string][]int64{}, map[string][]int64{}
	for e, err := range audit.Entries(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Namespace != s.namespace {
			continue
		}
		switch e.Type {
		case audit.TypeIntent:
			intents[e.Action] = append(intents[e.Action], e.Index)
		case audit.TypeResult, audit.TypeUndo:
			results[e.Action] = append(results[e.Action], e.Index)
		}
	}
	s.matches(intents, results)
}

// matches compares what the log holds with what the actions say of themselves.
func (s *tenant) matches(intents, results map[string][]int64) {
	s.t.Helper()
	var actions v1alpha1.ResponseActionList
	s.list(&actions)
	for _, a := range actions.Items {
		status, begun, ended := a.Status, intents[a.Name], results[a.Name]
		switch {
		case status.Execution == nil && len(begun) > 0:
			s.t.Errorf("%s did nothing, but has intents %v", a.Name, begun)
		case status.Execution == nil:
		case len(ended) != 1:
			s.t.Errorf("%s has the results %v in the log, want one", a.Name, ended)
		case status.Result == nil || status.Result.LogIndex == nil || *status.Result.LogIndex != ended[0]:
			s.t.Errorf("%s points to the result %+v, the log has it at %d", a.Name, status.Result, ended[0])
		case len(begun) == 0 || begun[0] > ended[0] || status.Execution.IntentIndex >= ended[0]:
			s.t.Errorf("%s has intents %v and points to %d, want them before the result at %d", a.Name, begun, status.Execution.IntentIndex, ended[0])
		}
		delete(results, a.Name)
	}
	if len(results) > 0 {
		s.t.Errorf("the log has results of actions that do not exist: %s", fmt.Sprint(results))
	}
}
