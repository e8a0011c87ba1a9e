package playbook

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

func TestRemarks(t *testing.T) {
	const question = `{match: has(alert.entities.pod), questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: "${alert.entities.pod}"}}, `
	const action = `{match: has(alert.entities.pod), actions: [{id: a, use: {connector: cluster, operation: isolate, with: {pod: "${alert.entities.pod}"}}, `
	tests := map[string]struct {
		spec string
		want []string
	}{
		"nothing to say":            {question + `weigh: [{if: answer.privileged, decibans: -20, because: b, suggests: FalsePositive}]}]}`, nil},
		"every alert, written out":  {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: a/b}}}]}`, nil},
		"does nothing":              {`{match: has(alert.entities.pod)}`, []string{"warning no-effect spec: neither asks nor proposes anything"}},
		"every alert, by accident":  {`{match: 'alert.rule == "a" || true', actions: []}`, []string{"warning always spec.match", "warning no-effect spec"}},
		"no alert":                  {`{match: "false"}`, []string{"error unreachable spec.match: never holds", "warning no-effect spec"}},
		"no alert that exists":      {`{match: alert.severity == "critical"}`, []string{"error unreachable spec.match: never holds: alert.severity is compared with \"critical\"", "warning no-effect spec"}},
		"no such field":             {`{match: has(alert.entitys.pod)}`, []string{"error unknown-name spec.match: no alert has alert.entitys;", "warning no-effect spec"}},
		"no such entity":            {`{match: has(alert.actors.container)}`, []string{"error unknown-name spec.match: no alert has alert.actors.container;", "warning no-effect spec"}},
		"attributes can have any":   {question + `when: alert.attributes.anything == "x"}]}`, nil},
		"asked never":               {question + `when: 1 > 2}]}`, []string{"error unreachable spec.questions[0].when: never holds"}},
		"asked with no such entity": {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: "${alert.entities.pot}"}}}]}`, []string{"error unknown-name spec.questions[0].use.with: no alert has alert.entities.pot;"}},
		"weighs nothing":            {question + `weigh: [{if: answer.privileged, decibans: 0, because: b}]}]}`, []string{"warning weight spec.questions[0].weigh[0].decibans: weighs nothing"}},
		"weighs too much":           {question + `weigh: [{if: answer.privileged, decibans: -21, because: b}]}]}`, []string{"warning weight spec.questions[0].weigh[0].decibans: counts as -20"}},
		"may not lower suspicion":   {question + `weigh: [{if: '"app" in answer.labels', decibans: -3, because: b}]}]}`, []string{"warning weight spec.questions[0].weigh[0].decibans: counts for nothing: what lowers suspicion must rest on nothing that an attacker may have written, and the condition reads answer.labels"}},
		"may raise suspicion":       {question + `weigh: [{if: '"app" in answer.labels', decibans: 3, because: b}]}]}`, nil},
		"suggests while it accuses": {question + `weigh: [{if: answer.privileged, decibans: 3, because: b, suggests: FalsePositive}]}]}`, []string{"warning no-effect spec.questions[0].weigh[0].suggests"}},
		"weighs twice":              {question + `weigh: [{if: answer.privileged, decibans: 3, because: b, group: g}, {if: answer.privileged, decibans: 5, because: c, group: g}]}]}`, []string{"warning weight spec.questions[0].weigh[1]: has the condition and the group of weigh[0]"}},
		"weighs never":              {question + `weigh: [{if: answer.owner.kind == "Job" && answer.owner.kind == "Pod", decibans: 3, because: b}]}]}`, []string{"error unreachable spec.questions[0].weigh[0].if: never holds"}},
		"weighs always":             {question + `weigh: [{if: "true", decibans: 3, because: b}]}]}`, []string{"warning always spec.questions[0].weigh[0].if"}},
		"no such field of the case": {question + `weigh: [{if: case.tactic.size() > 1, decibans: 3, because: "${case.alerts}"}]}]}`, []string{"error unknown-name spec.questions[0].weigh[0].if: no case has case.tactic;"}},
		"says what is not there":    {question + `weigh: [{if: answer.privileged, decibans: 3, because: "${alert.pod}"}]}]}`, []string{"error unknown-name spec.questions[0].weigh[0].because: no alert has alert.pod;"}},
		"no such verdict":           {action + `when: verdict == "Malicious"}]}`, []string{"error unreachable spec.actions[0].when: never holds: verdict is compared with \"Malicious\""}},
		"one verdict that is not":   {action + `when: 'verdict in ["Malicious", "TruePositive"]'}]}`, []string{"warning unknown-name spec.actions[0].when: a part of it never holds"}},
		"a name that is used":       {question + `weigh: [{if: answer.privileged && variables.v, decibans: -3, because: b}]}], variables: [{name: v, expression: alert.rule == "x"}]}`, nil},
		"a name for nothing":        {question + `weigh: [{if: answer.privileged, decibans: -3, because: b}]}], variables: [{name: v, expression: alert.rule == "x"}]}`, []string{"warning no-effect spec.variables[0]: nothing uses variables.v"}},
		"a name hides who wrote it": {question + `weigh: [{if: answer.privileged && variables.v, decibans: -3, because: b}]}], variables: [{name: v, expression: '"app" in answers.q.labels'}]}`, []string{"warning weight spec.questions[0].weigh[0].decibans: counts for nothing: what lowers suspicion must rest on nothing that an attacker may have written, and the condition reads answers.q.labels"}},
		"undoes what can be undone": {action + `when: verdict == "TruePositive", undoAfter: 1h}]}`, nil},
		"undoes what cannot be undone": {`{match: has(alert.entities.pod), actions: [{id: a, when: verdict == "TruePositive", undoAfter: 1h, use: {connector: cluster, operation: delete, with: {}}}]}`,
			[]string{"warning no-effect spec.actions[0].undoAfter: delete cannot be undone"}},
	}
	catalog := offered()
	catalog["cluster/delete"] = operation.MustCompile(operation.Operation{
		Name: "delete", Mode: v1alpha1.OperationWrite, Undo: v1alpha1.UndoIrreversible, Arguments: "{}", Result: "{}",
	})[0]
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile("test", parse(t, tt.spec), catalog)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, r := range p.Remarks() {
				text := string(r.Level) + " " + string(r.Rule) + " " + r.Path + ": " + r.Message
				if i < len(tt.want) { // as much of it as is wanted
					text = text[:min(len(text), len(tt.want[i]))]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCompileNamesEveryField: who mends one mistake need not wait to hear of the next.
func TestCompileNamesEveryField(t *testing.T) {
	const spec = `{match: "x", questions: [
		{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: a/b}}, weigh: [{if: answer.none, decibans: 1, because: b}]},
		{id: r, ask: a, use: {connector: cluster, operation: look, with: {pod: a/b}}, weigh: [{if: answer.none, decibans: 1, because: b}]}],
		actions: [{id: a, when: z, use: {connector: cluster, operation: isolate, with: {pod: a/b}}}, {id: b, when: "true", use: {connector: cluster, operation: none}}]}`
	_, err := Compile("test", parse(t, spec), offered())
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error is %v", err)
	}
	var got []string
	for _, part := range joined.Unwrap() {
		got = append(got, part.Error()[:len("spec.actions[0].use")])
	}
	want := []string{"spec.match: CEL doe", "spec.questions[0].w", "spec.questions[1].w", "spec.actions[0].whe", "spec.actions[1].use"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
