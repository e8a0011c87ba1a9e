package analyst

import (
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Criticality of a target, as the label soc.tocsin.dev/criticality states it. Anything else is medium.
type Criticality string

// The criticalities that change a priority.
const (
	CriticalityLow      Criticality = "low"
	CriticalityHigh     Criticality = "high"
	CriticalityCritical Criticality = "critical"
)

// Priority orders the queue by expected harm: how likely an attack is, times how bad
// it would be. The reason names what counted.
func Priority(permille int32, severity v1alpha1.Severity, criticality Criticality, reach *v1alpha1.BlastRadius) (v1alpha1.Priority, string) {
	impact, reasons := severity.Rank(), []string{"severity " + string(severity)}
	switch criticality {
	case CriticalityHigh, CriticalityCritical:
		impact++
		reasons = append(reasons, "target of criticality "+string(criticality))
	case CriticalityLow:
		impact--
		reasons = append(reasons, "target of criticality low")
	}
	if reach != nil && (reach.Nodes > 0 || reach.Secrets >= 50 || reach.Namespaces >= 10) {
		impact++
		reasons = append(reasons, fmt.Sprintf("reaches %d Secrets, %d namespaces, %d nodes", reach.Secrets, reach.Namespaces, reach.Nodes))
	}
	reasons = append(reasons, fmt.Sprintf("probability %s", percent(permille)))
	high := v1alpha1.SeverityHigh.Rank()
	p := v1alpha1.PriorityP4
	switch {
	case permille >= 950 && impact >= high:
		p = v1alpha1.PriorityP1
	case permille >= 950, permille >= 500 && impact >= high:
		p = v1alpha1.PriorityP2
	case permille >= 200, permille >= 50 && impact >= high:
		p = v1alpha1.PriorityP3
	}
	return p, strings.Join(reasons, ", ")
}

func percent(permille int32) string { return fmt.Sprintf("%.1f %%", float64(permille)/10) }
