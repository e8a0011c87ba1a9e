package docs

import (
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
)

// TestScenarioExample: the example parses, and shows every field that there is.
func TestScenarioExample(t *testing.T) {
	p := read(t, "docs/scenarios.md")
	at := slices.IndexFunc(p.blocks, func(b block) bool { return b.language == "yaml" })
	if at < 0 {
		t.Fatal("docs/scenarios.md has no example")
	}
	example := p.blocks[at].text
	all, err := scenario.Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Twin != all[1].Name || all[1].Twin != all[0].Name || !all[0].Attack() || all[1].Attack() {
		t.Errorf("expected an attack and its benign twin: %+v", all)
	}
	for _, field := range submatches(t, `json:"([a-zA-Z]+)`, "hack/eval/scenario/scenario.go") {
		if field == "falsePositives" || field == "truePositives" {
			continue // benignPositives stands for the three.
		}
		if !strings.Contains(example, field+":") {
			t.Errorf("the example does not show %s", field)
		}
		if !strings.Contains(p.code(), field) {
			t.Errorf("docs/scenarios.md does not tell of %s", field)
		}
	}
}

// TestEveryFigureIsExplained: whatever make eval writes is on the page.
func TestEveryFigureIsExplained(t *testing.T) {
	code := read(t, "docs/scenarios.md").code()
	for _, figure := range submatches(t, `"([a-z0-9_]+)":\s+(?:float64|score\.)`, "hack/eval/tally.go") {
		if !strings.Contains(code, "`"+figure+"`") {
			t.Errorf("docs/scenarios.md does not explain %s", figure)
		}
	}
}
