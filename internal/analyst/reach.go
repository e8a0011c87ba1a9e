package analyst

import (
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// ReachOperation is the operation whose answers tell a reach.
const ReachOperation = "permissions"

// Reach sums up answers of ReachOperation: of what several identities
// reach, the largest count each, since they may reach the same things. It is nil
// without answers.
func Reach(permissions []map[string]any) *v1alpha1.BlastRadius {
	if len(permissions) == 0 {
		return nil
	}
	reach := &v1alpha1.BlastRadius{}
	for _, p := range permissions {
		if subject, ok := p["subject"].(string); ok {
			reach.Identities = addOnce(reach.Identities, Plain(subject, 512), 16)
		}
		reach.Secrets = max(reach.Secrets, count(p["secretsReadable"]))
		reach.Namespaces = max(reach.Namespaces, count(p["namespaces"]))
		reach.PodsExec = max(reach.PodsExec, count(p["podsExec"]))
		reach.Nodes = max(reach.Nodes, count(p["nodes"]))
		for _, everything := range []string{"clusterAdmin", "becomesClusterAdmin"} {
			if is, _ := p[everything].(bool); is {
				reach.ClusterAdmin = true
			}
		}
		worst, _ := p["worst"].([]any)
		for _, item := range worst {
			if name, ok := item.(string); ok {
				reach.Worst = addOnce(reach.Worst, Plain(name, 512), 8)
			}
		}
	}
	return reach
}

func addOnce(list []string, item string, limit int) []string {
	if item == "" || len(list) >= limit || slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// count reads a number of an answer, which is a float64 once it went through JSON.
func count(value any) int32 {
	const most = 1<<31 - 1
	switch n := value.(type) {
	case float64:
		return int32(min(max(n, 0), most))
	case int64:
		return int32(min(max(n, 0), most))
	case int:
		return int32(min(max(n, 0), most))
	}
	return 0
}
