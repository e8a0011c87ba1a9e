package analyst

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// techniques.tsv lists the ATT&CK techniques that are seen in containers and clouds:
// id, the tactic that Tocsin orders it under, and its name for who reads the list. A
// technique of several tactics is listed once.
//
//go:embed techniques.tsv
var techniquesTable string

var techniques = readTechniques(techniquesTable)

// tactics of ATT&CK in the order of an attack.
var tactics = []string{
	"Reconnaissance", "Resource Development", "Initial Access", "Execution", "Persistence", "Privilege Escalation", "Defense Evasion",
	"Credential Access", "Discovery", "Lateral Movement", "Collection", "Command and Control", "Exfiltration", "Impact",
}

// Tactics of ATT&CK, by name, in the order of an attack.
func Tactics() []string { return slices.Clone(tactics) }

func readTechniques(table string) map[v1alpha1.Technique]string {
	known := map[v1alpha1.Technique]string{}
	for line := range strings.Lines(table) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		known[v1alpha1.Technique(fields[0])] = fields[1]
	}
	return known
}

func lookUp(t v1alpha1.Technique) string {
	if found, ok := techniques[t]; ok {
		return found
	}
	parent, _, _ := strings.Cut(string(t), ".")
	return techniques[v1alpha1.Technique(parent)]
}

// Tactic is the ATT&CK tactic of an alert with these techniques: of several, the one
// furthest in an attack, since an alert is one step. Empty if none is known. For a
// sub-technique that is not known its parent stands in.
func Tactic(found []v1alpha1.Technique) string {
	furthest := -1
	for _, t := range found {
		furthest = max(furthest, slices.Index(tactics, lookUp(t)))
	}
	if furthest < 0 {
		return ""
	}
	return tactics[furthest]
}
