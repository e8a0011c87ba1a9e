package investigation

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// That a target matters little lowers the severity: only what nobody but the tool could
// have said counts, and only if it is so of every target.
func TestCriticality(t *testing.T) {
	const result = `{"type": "object", "properties": {"criticality": {"type": "string"}, "x": {"type": "string"}}}`
	ask := func(with string, untrusted ...string) *playbook.Playbook {
		tool := catalog{operation.MustCompile(operation.Operation{
			Name: "look", Mode: v1alpha1.OperationRead, Arguments: `{"type": "object"}`, Result: result, Untrusted: untrusted,
		})[0]}
		book, err := playbook.Compile("book", v1alpha1.PlaybookSpec{Match: "true", Questions: []v1alpha1.Question{{
			ID: "what", Ask: "What?", Use: v1alpha1.Use{Connector: "tool", Operation: "look", With: &runtime.RawExtension{Raw: []byte(with)}},
		}}}, tool)
		if err != nil {
			t.Fatal(err)
		}
		return book
	}
	trusted, untrusted, steered := ask(`{"n": "${alert.name}"}`), ask(`{"n": "${alert.name}"}`, "criticality"), ask(`{"n": "${alert.title}"}`)
	type said struct {
		book *playbook.Playbook
		text any
	}
	tests := map[string]struct {
		answers []said
		want    analyst.Criticality
	}{
		"nothing":                         {nil, ""},
		"low":                             {[]said{{trusted, "low"}}, analyst.CriticalityLow},
		"low, by what an attacker writes": {[]said{{untrusted, "low"}}, ""},
		"low, of what an attacker chose":  {[]said{{steered, "low"}}, ""},
		"high, by what it writes":         {[]said{{untrusted, "high"}}, analyst.CriticalityHigh},
		"low beside what has no label":    {[]said{{trusted, "low"}, {trusted, ""}}, ""},
		"low beside no answer":            {[]said{{trusted, "low"}, {trusted, nil}}, analyst.CriticalityLow},
		"the most critical":               {[]said{{trusted, "critical"}, {trusted, "low"}, {trusted, "high"}}, analyst.CriticalityCritical},
		"a word of somebody's own":        {[]said{{trusted, "negligible"}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q := &inquest{replies: map[string]reply{}}
			for i, s := range tt.answers {
				ask := playbook.Ask{ID: "book/what", Question: "what", Connector: "tool", Operation: "look", Arguments: map[string]any{"n": i}}
				q.asked = append(q.asked, asked{playbook: s.book, ask: ask})
				answer := map[string]any{"x": "y"}
				if s.text != nil {
					answer[criticalityResult] = s.text
				}
				q.replies[ask.Key()] = reply{answer: answer}
			}
			got, from := q.criticality()
			if got != tt.want || (from == "book/what") != (got != "") {
				t.Errorf("%q by %q, want %q", got, from, tt.want)
			}
		})
	}
}
