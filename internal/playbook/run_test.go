package playbook

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
)

func TestNewAlert(t *testing.T) {
	a := audited()
	got := map[string]any{}
	for _, name := range []string{"name", "count", "entities", "actors", "targets", "actor", "who", "verb", "resource", "namespace"} {
		got[name] = a[name]
	}
	want := map[string]any{
		"name": "a", "count": int64(1), "actor": "system:serviceaccount:shop:web", "who": "shop/web", "verb": "create", "resource": "pods", "namespace": "shop",
		"entities": map[string]any{"pod": "shop/web-0", "ip": "10.0.0.1"},
		"actors":   map[string]any{"pod": "shop/web-0"}, "targets": map[string]any{"pod": "shop/tmp-1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	spoofed := NewAlert(&v1alpha1.Alert{Spec: v1alpha1.AlertSpec{Attributes: map[string]string{"user": "system:serviceaccount:gitops:deployer", "namespace": "catalog"}}}, v1alpha1.FormatFalco)
	if spoofed.has("actor") || spoofed.has("namespace") {
		t.Error("attributes of a source that is not the API server prove an actor")
	}
}

func TestNewCase(t *testing.T) {
	got := NewCase([]v1alpha1.AlertSpec{
		{Rule: "b", Techniques: []v1alpha1.Technique{"T1610", "T1611"}, Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Value: "a/b", Role: v1alpha1.RoleActor}, {Type: v1alpha1.EntityPod, Value: "c/d", Role: v1alpha1.RoleTarget}}},
		{Rule: "a", Techniques: []v1alpha1.Technique{"T1611", "T9999"}}, {Rule: "a"},
	})
	want := Case{"alerts": int64(3), "rules": []any{"a", "b"}, "techniques": []any{"T1610", "T1611", "T9999"}, "tactics": []any{"Privilege Escalation"}, "actors": []any{"Pod:a/b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMatches(t *testing.T) {
	tests := map[string]struct {
		match   string
		want    bool
		wantErr string
	}{
		"yes":                             {`"T1059" in alert.techniques && has(alert.entities.pod)`, true, ""},
		"no":                              {`alert.severity == "Low"`, false, ""},
		"about what the alert has not":    {`alert.entities.user == "eve"`, false, ""},
		"about an attribute it has not":   {`alert.attributes.exe.startsWith("/tmp")`, false, ""},
		"an error":                        {`alert.count / 0 > 1`, false, "divi"},
		"no condition, found at run time": {`alert.rule`, false, "must be a bool"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := compiled(t, "{match: '"+tt.match+"'}").Matches(audited())
			if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%v, %v; want %v, %q", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestQuestions(t *testing.T) {
	p := compiled(t, `
match: "true"
questions:
- {id: actor, ask: a, use: {connector: cluster, operation: look, with: {pod: "${alert.actors.pod}"}}}
- {id: target, ask: b, when: has(alert.targets.pod), use: {connector: cluster, operation: clean, with: {pod: "p/${alert.targets.pod}"}}}
- {id: not, ask: c, when: alert.severity == "Low", use: {connector: cluster, operation: look, with: {pod: a/b}}}
- {id: absent, ask: d, use: {connector: cluster, operation: look, with: {pod: "${alert.entities.node}"}}}
- {id: broken, ask: e, use: {connector: cluster, operation: look, with: {pod: "${alert.count / 0}"}}}
`)
	asks, errs := p.Questions(audited())
	want := []Ask{
		{ID: "test/actor", Question: "actor", Ask: "a", Connector: "cluster", Operation: "look", Arguments: map[string]any{"pod": "shop/web-0"}, From: "test"},
		{ID: "test/target", Question: "target", Ask: "b", Connector: "cluster", Operation: "clean", Arguments: map[string]any{"pod": "p/shop/tmp-1"}, From: "test"},
	}
	if diff := cmp.Diff(want, asks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "test: question broken") {
		t.Errorf("errors %v, want one about the question broken", errs)
	}
	if asks[0].Key() == asks[1].Key() || asks[0].Key() != (Ask{ID: "other", Connector: "cluster", Operation: "look", Arguments: map[string]any{"pod": "shop/web-0"}}).Key() {
		t.Error("keys must differ where what is asked differs, and only there")
	}
}

const weighing = `
match: "true"
questions:
- id: q
  ask: a
  use: {connector: cluster, operation: look, with: {pod: "${alert.actors.pod}"}}
  weigh:
  - {if: answer.privileged, decibans: 6, because: "${alert.actors.pod} is privileged, ${answer.age} seconds old"}
  - {if: 'answer.owner.name == "debug"', decibans: -5, because: a debug job, group: debugging, suggests: FalsePositive}
  - {if: answer.age > 100.0 && alert.entities.user == "eve", decibans: 1, because: not about this alert}
actions:
- {id: isolate, when: verdict == "TruePositive" && probability > 0.9, order: 1, undoAfter: 24h, use: {connector: cluster, operation: isolate, with: {pod: "${alert.actors.pod}"}}}
- {id: node, when: verdict == "TruePositive", use: {connector: cluster, operation: isolate, with: {pod: "${alert.entities.node}"}}}
- {id: late, when: answers.q.age > 100.0, use: {connector: cluster, operation: isolate, with: {pod: a/b}}}
`

func TestWeigh(t *testing.T) {
	finding := func(i string, text string, decibans int32) analyst.Finding {
		return analyst.Finding{Question: "test/q", Alert: "a", Text: text, Provenance: v1alpha1.ProvenanceTrusted, Group: "test/q[" + i + "]", Decibans: decibans}
	}
	debug := analyst.Finding{Question: "test/q", Alert: "a", Text: "a debug job", Provenance: v1alpha1.ProvenanceAttackerWritable, Group: "debugging",
		Decibans: -5, Suggests: v1alpha1.FalsePositive}
	tests := map[string]struct {
		mode    v1alpha1.PlaybookMode
		answer  map[string]any
		want    []analyst.Finding
		wantErr string
	}{
		"all conditions": {
			answer: map[string]any{"privileged": true, "age": 60.0, "owner": map[string]any{"name": "debug"}},
			want:   []analyst.Finding{finding("0", "shop/web-0 is privileged, 60 seconds old", 6), debug},
		},
		"a condition that cannot be evaluated is reported": {
			answer:  map[string]any{"privileged": true, "age": 60.0},
			want:    []analyst.Finding{finding("0", "shop/web-0 is privileged, 60 seconds old", 6)},
			wantErr: "test: question q: weigh[1]",
		},
		"no answer": {},
		"in the shadow": {
			mode:   v1alpha1.PlaybookShadow,
			answer: map[string]any{"privileged": true, "age": 60.0},
			want:   []analyst.Finding{finding("0", "shop/web-0 is privileged, 60 seconds old (shadow: would weigh +6 dB)", 0)},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spec := parse(t, weighing)
			spec.Mode = tt.mode
			p, err := Compile("test", spec, offered())
			if err != nil {
				t.Fatal(err)
			}
			asks, _ := p.Questions(audited())
			got, errs := p.Weigh(asks[0], Context{Alert: audited(), Case: NewCase(nil), Answers: Answers{"q": tt.answer}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (len(errs) == 0) != (tt.wantErr == "") || len(errs) > 0 && !strings.Contains(errs[0].Error(), tt.wantErr) {
				t.Errorf("errors %v, want %q", errs, tt.wantErr)
			}
		})
	}
}

func TestPropose(t *testing.T) {
	tests := map[string]struct {
		mode     v1alpha1.PlaybookMode
		verdict  v1alpha1.Verdict
		answers  Answers
		want     []string
		wantErrs int
	}{
		"an attack":                  {verdict: v1alpha1.TruePositive, answers: Answers{"q": {"age": 10.0}}, want: []string{"isolate"}},
		"an old one":                 {verdict: v1alpha1.TruePositive, answers: Answers{"q": {"age": 101.0}}, want: []string{"isolate", "late"}},
		"nothing is known":           {verdict: v1alpha1.TruePositive, want: []string{"isolate"}, wantErrs: 1},
		"no verdict":                 {verdict: v1alpha1.Undetermined, answers: Answers{"q": {"age": 10.0}}},
		"the shadow proposes naught": {mode: v1alpha1.PlaybookShadow, verdict: v1alpha1.TruePositive, answers: Answers{"q": {"age": 101.0}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spec := parse(t, weighing)
			spec.Mode = tt.mode
			p, err := Compile("test", spec, offered())
			if err != nil {
				t.Fatal(err)
			}
			proposals, errs := p.Propose(Context{Alert: audited(), Case: NewCase(nil), Answers: tt.answers, Verdict: tt.verdict, Probability: 0.99})
			var got []string
			for _, proposal := range proposals {
				got = append(got, proposal.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(errs) != tt.wantErrs {
				t.Errorf("errors %v, (-want +got):\n%s", errs, diff)
			}
		})
	}
	p := compiled(t, weighing)
	proposals, _ := p.Propose(Context{Alert: audited(), Verdict: v1alpha1.TruePositive, Probability: 0.99})
	want := Proposal{
		ID: "isolate", Connector: "cluster", Operation: "isolate", Arguments: map[string]any{"pod": "shop/web-0"}, Order: 1,
		UndoAfter: &metav1.Duration{Duration: 24 * time.Hour}, Playbook: "test",
		Reason: `playbook test proposes isolate where verdict == "TruePositive" && probability > 0.9`,
	}
	if diff := cmp.Diff(want, proposals[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRunTests(t *testing.T) {
	const head = `{match: has(alert.entities.pod), questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: "${alert.entities.pod}"}},
		weigh: [{if: answer.privileged, decibans: 20, because: b}]}],
		actions: [{id: isolate, when: verdict == "TruePositive", use: {connector: cluster, operation: isolate, with: {pod: "${alert.entities.pod}"}}}], tests: [{name: t, `
	tests := map[string]struct{ test, want string }{
		"passes":                         {`alert: {rule: r, entities: {pod: a/b}}, answers: {q: {privileged: true}}, expect: {verdict: TruePositive, actions: [isolate]}`, ""},
		"passes where nothing matches":   {`alert: {rule: r}, expect: {}`, ""},
		"another verdict":                {`alert: {rule: r, entities: {pod: a/b}}, answers: {q: {privileged: false}}, expect: {verdict: TruePositive, actions: [isolate]}`, "spec.tests[t]: expect.verdict: expected TruePositive, got Undetermined"},
		"an action too many":             {`alert: {rule: r, entities: {pod: a/b}}, answers: {q: {privileged: true}}, expect: {verdict: TruePositive}`, "spec.tests[t]: expect.actions: expected [], got [isolate]"},
		"does not match":                 {`alert: {rule: r}, expect: {verdict: Undetermined}`, "spec.tests[t]: expect.verdict: expected Undetermined, got none: the playbook does not match"},
		"an answer to no question":       {`alert: {rule: r, entities: {pod: a/b}}, answers: {p: {privileged: true}}, expect: {}`, "spec.tests[t]: answers.p: no question has this id"},
		"a field that no answer has":     {`alert: {rule: r, entities: {pod: a/b}}, answers: {q: {priviledged: true}}, expect: {}`, "spec.tests[t]: answers.q: field priviledged"},
		"an answer that says too little": {`alert: {rule: r, entities: {pod: a/b}}, answers: {q: {age: 1}}, expect: {verdict: Undetermined}`, "no such key: privileged"},
		"a type that does not exist":     {`alert: {rule: r, entities: {pot: a/b}}, expect: {}`, "spec.tests[t]: alert.entities.pot: there is no such type"},
		"a role that does not exist":     {`alert: {rule: r, entities: {actor.pod: a/b}}, expect: {}`, "spec.tests[t]: alert.entities.actor.pod: expected"},
		"arguments that do not fit":      {`alert: {rule: r, entities: {pod: nopath}}, expect: {}`, "question q: argument pod"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []v1alpha1.PlaybookMode{v1alpha1.PlaybookEnabled, v1alpha1.PlaybookShadow, v1alpha1.PlaybookDisabled} {
				spec := parse(t, head+tt.test+"}]}")
				spec.Mode = mode
				p, err := Compile("test", spec, offered())
				if err != nil {
					t.Fatal(err)
				}
				err = p.RunTests()
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: error %v, want %q", mode, err, tt.want)
				}
			}
		})
	}
}

// What depends on an action that is not proposed is not proposed either, nor is what depends on that.
func TestProposalsFollowEachOther(t *testing.T) {
	p := compiled(t, `
match: "true"
actions:
- {id: first, when: probability > 0.9, use: {connector: cluster, operation: isolate, with: {pod: a/first}}}
- {id: second, when: "true", after: [{id: first, ended: [Failed]}], use: {connector: cluster, operation: isolate, with: {pod: a/second}}}
- {id: third, when: "true", after: [{id: second}], use: {connector: cluster, operation: isolate, with: {pod: a/third}}}
- {id: alone, when: "true", use: {connector: cluster, operation: isolate, with: {pod: a/alone}}}
`)
	tests := map[string]struct {
		probability float64
		want        []string
	}{
		"all":                 {0.95, []string{"first", "second", "third", "alone"}},
		"not what goes first": {0.5, []string{"alone"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			proposals, errs := p.Propose(Context{Alert: audited(), Verdict: v1alpha1.TruePositive, Probability: tt.probability})
			var got []string
			for _, proposal := range proposals {
				got = append(got, proposal.ID)
				if proposal.ID == "second" && (len(proposal.After) != 1 || proposal.After[0].ID != "first") {
					t.Errorf("after %v", proposal.After)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(errs) != 0 {
				t.Errorf("%v (-want +got):\n%s", errs, diff)
			}
		})
	}
}
