package analyst

import (
	_ "embed"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// techniques.tsv lists the ATT&CK techniques that are seen in containers and clouds:
// id, the tactic that Tocsin orders it under, name. A technique of several tactics
// is listed once, so that one act never counts as several steps.
//
//go:embed techniques.tsv
var techniquesTable string

type technique struct{ tactic, name string }

var techniques = readTechniques(techniquesTable)

// tactics of ATT&CK in the order of an attack.
var tactics = []string{
	"Reconnaissance", "Resource Development", "Initial Access", "Execution", "Persistence", "Privilege Escalation", "Defense Evasion",
	"Credential Access", "Discovery", "Lateral Movement", "Collection", "Command and Control", "Exfiltration", "Impact",
}

func readTechniques(table string) map[v1alpha1.Technique]technique {
	known := map[v1alpha1.Technique]technique{}
	for line := range strings.Lines(table) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		known[v1alpha1.Technique(fields[0])] = technique{tactic: fields[1], name: fields[2]}
	}
	return known
}

func lookUp(t v1alpha1.Technique) technique {
	if found, ok := techniques[t]; ok {
		return found
	}
	parent, _, _ := strings.Cut(string(t), ".")
	return techniques[v1alpha1.Technique(parent)]
}

// Tactic is the ATT&CK tactic of a technique; that of its parent where a
// sub-technique is not known, empty where neither is.
func Tactic(t v1alpha1.Technique) string { return lookUp(t).tactic }
