package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func shipped(t *testing.T) content {
	t.Helper()
	offered, err := operations()
	if err != nil {
		t.Fatal(err)
	}
	c, err := read("../../config", offered)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryTactic: of each column of the Kubernetes threat matrix something is seen,
// by a rule that is not optional.
func TestEveryTactic(t *testing.T) {
	all, err := techniques()
	if err != nil {
		t.Fatal(err)
	}
	tactics := map[v1alpha1.Technique]string{}
	for _, technique := range all {
		tactics[technique.id] = technique.tactics
	}
	seen := map[string]bool{}
	rules := 0
	for _, r := range shipped(t).rules {
		if r.optional {
			continue
		}
		rules++
		for _, technique := range r.techniques {
			for tactic := range strings.SplitSeq(tactics[technique], ", ") {
				seen[tactic] = true
			}
		}
	}
	if rules < 45 {
		t.Errorf("%d rules, want at least 45", rules)
	}
	for _, tactic := range []string{"Initial Access", "Execution", "Persistence", "Privilege Escalation", "Defense Evasion",
		"Credential Access", "Discovery", "Lateral Movement", "Collection", "Impact"} {
		if !seen[tactic] {
			t.Errorf("no rule for %s", tactic)
		}
	}
}

// TestPage: it is the one that is checked in, and it names every rule and playbook.
func TestPage(t *testing.T) {
	c := shipped(t)
	page, err := c.page()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.rules {
		if !strings.Contains(page, "\n| "+r.link()+" |") {
			t.Errorf("no row for %s", r.name)
		}
	}
	for _, p := range c.playbooks {
		if !strings.Contains(page, "\n| ["+p.name+"]") {
			t.Errorf("no row for %s", p.name)
		}
	}
	checkedIn, err := os.ReadFile("../../docs/coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(checkedIn) != page {
		t.Error("docs/coverage.md is stale: run make generate")
	}
}

func TestAnUnknownTechniqueIsNamed(t *testing.T) {
	c := content{rules: []rule{{name: "odd", techniques: []v1alpha1.Technique{"T9999"}}}}
	if _, err := c.page(); err == nil || !strings.Contains(err.Error(), "rule odd: techniques.tsv does not list T9999") {
		t.Errorf("error %v, want the rule and the technique", err)
	}
}
