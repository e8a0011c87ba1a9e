package analyst

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Intent is what an attack is likely after, in tactics of ATT&CK: the furthest that its
// alerts show, and the furthest beyond that which the rights of its identities open.
// The reason names what shows either. Both are empty for a benign verdict, and where no
// technique is known.
func Intent(alerts []v1alpha1.Alert, verdict v1alpha1.Verdict, stakes Stakes) (intent, reason string) {
	if benign(verdict) {
		return "", ""
	}
	var shows v1alpha1.Alert
	at := -1
	for _, a := range oldestFirst(alerts) {
		if tactic := slices.Index(tactics, Tactic(a.Spec.Techniques)); tactic > at {
			at, shows = tactic, a
		}
	}
	if at < 0 {
		return "", ""
	}
	intent, reason = tactics[at], fmt.Sprintf("alert %s shows %s", Plain(shows.Name, 253), strings.Join(techniquesFor(shows.Spec.Techniques, tactics[at]), ", "))
	if goal, why := opened(stakes.Reach); slices.Index(tactics, goal) > at {
		return intent + ", towards " + goal, reason + "; its rights open " + why + cite(stakes.ReachFrom)
	}
	return intent, reason
}

// techniquesFor are those of the techniques that are of a tactic.
func techniquesFor(all []v1alpha1.Technique, tactic string) []string {
	var found []string
	for _, t := range all {
		if lookUp(t) == tactic {
			found = append(found, string(t))
		}
	}
	return found[:min(len(found), 4)]
}

// opened is the furthest tactic that rights open, and what they open; empty for none.
func opened(r *v1alpha1.BlastRadius) (tactic, what string) {
	switch {
	case r == nil:
	case r.ClusterAdmin:
		return "Impact", "everything in the cluster"
	case r.Nodes > 0:
		return "Impact", several(r.Nodes, "node")
	case r.PodsExec > 0:
		return "Lateral Movement", "exec into " + several(r.PodsExec, "pod")
	case r.Secrets > 0:
		return "Credential Access", several(r.Secrets, "Secret")
	}
	return "", ""
}
