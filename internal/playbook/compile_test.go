package playbook

import (
	"errors"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestCompileErrors(t *testing.T) {
	const question = `{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: "${alert.entities.pod}"}}, `
	tests := map[string]struct {
		text        string
		want        string
		wantUnknown bool
	}{
		"match does not compile":         {`{match: "alert."}`, "spec.match: CEL does not compile", false},
		"match is no condition":          {`{match: "'x'"}`, "spec.match: CEL must be a condition (bool)", false},
		"match knows no answers":         {`{match: "has(answers.x)"}`, "spec.match: CEL does not compile", false},
		"unknown connector":              {`{match: "true", questions: [{id: q, ask: a, use: {connector: none, operation: look}}]}`, "spec.questions[0].use: unknown operation: there is no none/look", true},
		"unknown operation of an action": {`{match: "true", actions: [{id: a, when: "true", use: {connector: cluster, operation: none}}]}`, "spec.actions[0].use: unknown operation", true},
		"a question that acts":           {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: isolate, with: {pod: a/b}}}]}`, "spec.questions[0].use.operation: cluster/isolate is a Write operation, expected a Read one", false},
		"an action that asks":            {`{match: "true", actions: [{id: a, when: "true", use: {connector: cluster, operation: look, with: {pod: a/b}}}]}`, "spec.actions[0].use.operation: cluster/look is a Read operation, expected a Write one", false},
		"an inverse by name":             {`{match: "true", actions: [{id: a, when: "true", use: {connector: cluster, operation: release, with: {pod: a/b}}}]}`, "only takes back another action", false},
		"an argument that is unknown":    {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pid: 1}}}]}`, "spec.questions[0].use.with: cluster/look: argument pid", false},
		"an argument that is missing":    {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look}}]}`, "spec.questions[0].use.with: cluster/look: arguments: missing property 'pod'", false},
		"an argument that does not fit":  {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: x}}}]}`, "spec.questions[0].use.with: cluster/look: argument pod", false},
		"a template that is not closed":  {`{match: "true", questions: [{id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: "${x"}}}]}`, "spec.questions[0].use.with: pod: ${ is not closed", false},
		"when does not compile":          {question + `when: answer.x}]}`, "spec.questions[0].when: CEL does not compile", false},
		"if does not compile":            {question + `weigh: [{if: "answer.", decibans: 1, because: b}]}]}`, "spec.questions[0].weigh[0].if: CEL does not compile", false},
		"if reads no such field":         {question + `weigh: [{if: answer.priviledged, decibans: 1, because: b}]}]}`, "spec.questions[0].weigh[0].if: answer: the result of cluster/look: field priviledged", false},
		"if reads no such question":      {question + `weigh: [{if: answers.p.privileged, decibans: 1, because: b}]}]}`, "spec.questions[0].weigh[0].if: answers.p: no question has this id; there are [q]", false},
		"because does not compile":       {question + `weigh: [{if: answer.privileged, decibans: 1, because: "${x}"}]}]}`, "spec.questions[0].weigh[0].because", false},
		"because reads no such field":    {question + `weigh: [{if: answer.privileged, decibans: 1, because: "${answer.x}"}]}]}`, "spec.questions[0].weigh[0].because: answer", false},
		"two questions of one id":        {question + `}, {id: q, ask: a, use: {connector: cluster, operation: look, with: {pod: a/b}}}]}`, `spec.questions[1].id: "q" is taken`, false},
		"two actions of one id":          {`{match: "true", actions: [{id: a, when: "true", use: {connector: cluster, operation: isolate, with: {pod: a/b}}}, {id: a, when: "true", use: {connector: cluster, operation: isolate, with: {pod: a/b}}}]}`, `spec.actions[1].id: "a" is taken`, false},
		"an action's condition":          {`{match: "true", actions: [{id: a, when: "verdict", use: {connector: cluster, operation: isolate, with: {pod: a/b}}}, {id: b, when: "'x'", use: {connector: cluster, operation: isolate, with: {pod: a/b}}}]}`, "spec.actions[1].when: CEL must be a condition", false},
		"an action after none":           {`{match: "true", actions: [{id: a, when: "true", after: [{id: b}], use: {connector: cluster, operation: isolate, with: {pod: a/b}}}, {id: b, when: "true", use: {connector: cluster, operation: isolate, with: {pod: a/b}}}]}`, `spec.actions[0].after[0].id: there is no action "b" further up`, false},
		"an action after itself":         {`{match: "true", actions: [{id: a, when: "true", after: [{id: a}], use: {connector: cluster, operation: isolate, with: {pod: a/b}}}]}`, `spec.actions[0].after[0].id: there is no action "a" further up`, false},
		"two variables of one name":      {`{match: "true", variables: [{name: v, expression: "true"}, {name: v, expression: "false"}]}`, `spec.variables[1].name: "v" is taken`, false},
		"a variable does not compile":    {`{match: "true", variables: [{name: v, expression: "alert."}]}`, "spec.variables[0].expression: CEL does not compile", false},
		"a variable knows no answer":     {`{match: "true", variables: [{name: v, expression: "answer.privileged"}]}`, "spec.variables[0].expression: CEL does not compile", false},
		"a variable reads no question":   {`{match: "true", variables: [{name: v, expression: "answers.p.privileged"}]}`, "spec.variables[0].expression: answers.p: no question has this id", false},
		"a variable uses a later one":    {`{match: "true", variables: [{name: v, expression: "variables.w"}, {name: w, expression: "true"}]}`, "spec.variables[0].expression: CEL does not compile", false},
		"a variable that is unknown":     {question + `weigh: [{if: variables.v, decibans: 1, because: b}]}]}`, "spec.questions[0].weigh[0].if: CEL does not compile", false},
		"an action reads no such answer": {`{match: "true", actions: [{id: a, when: "answers.q.privileged", use: {connector: cluster, operation: isolate, with: {pod: a/b}}}]}`, "spec.actions[0].when: answers.q: no question has this id", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("test", parse(t, tt.text), offered())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if errors.Is(err, ErrUnknownOperation) != tt.wantUnknown {
				t.Errorf("error %v wraps ErrUnknownOperation: %v", err, !tt.wantUnknown)
			}
		})
	}
	if _, err := Compile(UniversalName, parse(t, `{match: "true"}`), offered()); err == nil {
		t.Error("a playbook took the name of the universal questions")
	}
}

// What an attacker wrote must not decide whether something counts for innocence.
func TestProvenanceOfGates(t *testing.T) {
	tests := map[string]struct {
		match, when string
		decibans    int32
		want        v1alpha1.Provenance
	}{
		"a match by text":               {`alert.attributes.note.contains("hello")`, "", -5, v1alpha1.ProvenanceAttackerWritable},
		"a when by text":                {"true", `alert.attributes.note == "hello"`, -5, v1alpha1.ProvenanceAttackerWritable},
		"a when by name":                {"true", `alert.entities.pod.startsWith("shop/debug-")`, -5, v1alpha1.ProvenanceAttackerWritable},
		"by text, but for suspicion":    {`alert.attributes.note.contains("hello")`, "", 5, v1alpha1.ProvenanceTrusted},
		"a match by rule and technique": {`alert.rule == "x" && "T1059" in alert.techniques`, "", -5, v1alpha1.ProvenanceTrusted},
		"what the alert has":            {"has(alert.entities.pod)", "has(alert.actor) && has(alert.targets.pod)", -5, v1alpha1.ProvenanceTrusted},
		"what it has, and its name":     {`has(alert.entities.pod) && alert.entities.pod != "a/b"`, "", -5, v1alpha1.ProvenanceAttackerWritable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile("test", v1alpha1.PlaybookSpec{Match: tt.match, Questions: []v1alpha1.Question{
				{ID: "q", Ask: "a", When: tt.when, Use: v1alpha1.Use{Connector: "cluster", Operation: "look", With: with(map[string]any{"pod": "${alert.entities.pod}"})},
					Weigh: []v1alpha1.Weigh{{If: "true", Decibans: tt.decibans, Because: "b"}}},
			}}, offered())
			if err != nil {
				t.Fatal(err)
			}
			if got := p.questions[0].weigh[0].provenance(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestProvenance(t *testing.T) {
	const pod, note = "${alert.entities.pod}", "${alert.attributes.note}"
	tests := map[string]struct {
		condition string
		pod       string
		want      v1alpha1.Provenance
	}{
		"a field that the tool vouches for":     {`answer.privileged`, pod, v1alpha1.ProvenanceTrusted},
		"beside an untrusted one":               {`answer.owner.kind == "Job"`, pod, v1alpha1.ProvenanceTrusted},
		"an untrusted field":                    {`answer.owner.name == "debug"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"what holds an untrusted field":         {`answer.owner == {"kind": "Job", "name": "x"}`, pod, v1alpha1.ProvenanceAttackerWritable},
		"below an untrusted field":              {`has(answer.labels.approved)`, pod, v1alpha1.ProvenanceAttackerWritable},
		"by index":                              {`answer["labels"]["approved"] == "yes"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"by computed key":                       {`answer[alert.rule] == "yes"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"smuggled through a list":               {`[answer].exists(a, a.labels.approved == "yes")`, pod, v1alpha1.ProvenanceAttackerWritable},
		"both":                                  {`answer.privileged && answer.labels.x == "y"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"untrusted, but only in a dead branch":  {`answer.privileged || (false && answer.labels.x == "y")`, pod, v1alpha1.ProvenanceAttackerWritable},
		"the answer to another question":        {`answers.other.labels.x == "y"`, pod, v1alpha1.ProvenanceTrusted},
		"an untrusted part of another answer":   {`answers.q.labels.x == "y"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"that another question is answered":     {`has(answers.q) && answers.q.privileged`, pod, v1alpha1.ProvenanceTrusted},
		"that a steered question is answered":   {`has(answers.q)`, note, v1alpha1.ProvenanceAttackerWritable},
		"below an untrusted part of another":    {`has(answers.q.labels.approved)`, pod, v1alpha1.ProvenanceAttackerWritable},
		"that an attribute is there":            {`has(alert.attributes.note)`, pod, v1alpha1.ProvenanceAttackerWritable},
		"all answers":                           {`answers.size() == 1`, pod, v1alpha1.ProvenanceAttackerWritable},
		"a question steered by attributes":      {`answer.privileged`, note, v1alpha1.ProvenanceAttackerWritable},
		"a question steered by the title":       {`answer.privileged`, "${alert.title}", v1alpha1.ProvenanceAttackerWritable},
		"a question steered by the whole alert": {`answer.privileged`, "${[alert][0].title}", v1alpha1.ProvenanceAttackerWritable},
		"another question that is steered":      {`answers.q.privileged`, note, v1alpha1.ProvenanceAttackerWritable},
		"a question steered by a user's name":   {`answer.privileged`, "${alert.entities.user}", v1alpha1.ProvenanceAttackerWritable},
		"a question steered by any entity":      {`answer.privileged`, "${alert.all[0].value}", v1alpha1.ProvenanceAttackerWritable},
		"the alert's rule":                      {`alert.rule == "x" && alert.severity == "Low"`, pod, v1alpha1.ProvenanceTrusted},
		"the proven actor":                      {`alert.actor == "x" && alert.namespace == "y"`, pod, v1alpha1.ProvenanceTrusted},
		"an attribute":                          {`alert.attributes.note == "x"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"the title":                             {`alert.title == "x"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"the name of an entity":                 {`alert.entities.pod == "shop/debug"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"the name of an actor":                  {`alert.actors.pod == "shop/debug"`, pod, v1alpha1.ProvenanceAttackerWritable},
		"any entity":                            {`alert.all.exists(e, e.value == "x")`, pod, v1alpha1.ProvenanceAttackerWritable},
		"how large the case is":                 {`case.alerts < 2 && case.tactics.size() < 2`, pod, v1alpha1.ProvenanceTrusted},
		"who is in the case":                    {`"ServiceAccount:shop/web" in case.actors`, pod, v1alpha1.ProvenanceAttackerWritable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile("test", v1alpha1.PlaybookSpec{Match: "true", Questions: []v1alpha1.Question{
				{ID: "q", Ask: "a", Use: v1alpha1.Use{Connector: "cluster", Operation: "look", With: with(map[string]any{"pod": tt.pod})},
					Weigh: []v1alpha1.Weigh{{If: tt.condition, Decibans: -5, Because: "b"}}},
				{ID: "other", Ask: "a", Use: v1alpha1.Use{Connector: "cluster", Operation: "clean", With: with(map[string]any{"pod": pod})}},
			}}, offered())
			if err != nil {
				t.Fatal(err)
			}
			if got := p.questions[0].weigh[0].provenance(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzCompile: no expression, however strange, makes a compiled playbook do anything but answer or err.
func FuzzCompile(f *testing.F) {
	for _, seed := range [][3]string{
		{"true", "answer.privileged", "${alert.entities.pod}"}, {"alert.rule == 'x'", "answer.labels.x == 'y'", "a/${alert.actor}"},
		{"size(alert) > 0", "answers.q.age / 0.0 > 1.0", "${"}, {"alert.techniques.exists(t, t.startsWith('T'))", "case.alerts > 1", "${alert.all.map(e, e.value)}"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	catalog, alert := offered(), audited()
	f.Fuzz(func(_ *testing.T, match, condition, pod string) {
		spec := v1alpha1.PlaybookSpec{Match: match,
			Questions: []v1alpha1.Question{{ID: "q", Ask: "a", Use: v1alpha1.Use{Connector: "cluster", Operation: "look", With: with(map[string]any{"pod": pod})},
				Weigh: []v1alpha1.Weigh{{If: condition, Decibans: -5, Because: "b"}}}},
			Actions: []v1alpha1.ProposedAction{{ID: "a", When: condition, Use: v1alpha1.Use{Connector: "cluster", Operation: "isolate", With: with(map[string]any{"pod": pod})}}},
		}
		p, err := Compile("test", spec, catalog)
		if err != nil {
			return
		}
		_, _ = p.Matches(alert)
		context := Context{Alert: alert, Case: NewCase(nil), Answers: Answers{"q": {"privileged": true, "age": 1.0, "labels": map[string]any{"x": "y"}}}}
		asks, _ := p.Questions(alert)
		for _, ask := range asks {
			_, _ = p.Weigh(ask, context)
		}
		_, _ = p.Propose(context)
	})
}
