package analyst

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Criticality of a target, as the label soc.tocsin.dev/criticality states it. Anything else is medium.
type Criticality string

// The criticalities that change a severity.
const (
	CriticalityLow      Criticality = "low"
	CriticalityHigh     Criticality = "high"
	CriticalityCritical Criticality = "critical"
)

// Stakes are what an attack would touch.
type Stakes struct {
	// Criticality of the most critical target. That it is low is trusted.
	Criticality Criticality
	// Reach of the identities in the case; nil if it is not known.
	Reach *v1alpha1.BlastRadius
	// CriticalityFrom and ReachFrom are the ids of the questions that told.
	CriticalityFrom, ReachFrom string
}

// cite names the question that a claim rests on.
func cite(question string) string {
	if question == "" {
		return ""
	}
	return " (question " + Plain(question, 64) + ")"
}

// Severity of a case is how bad the attack is, if it is one, and what that follows
// from. It starts from the worst that an alert states. Only two things lower it, and an
// attacker writes neither: the label of a Namespace, and a benign verdict (S2).
func Severity(alerts []v1alpha1.Alert, verdict v1alpha1.Verdict, stakes Stakes) (v1alpha1.Severity, string) {
	stated, reason := v1alpha1.SeverityInformational, "no alert states one"
	if worst := worstOf(alerts); worst != nil {
		stated = v1alpha1.Severities[worst.Spec.Severity.Rank()]
		reason = fmt.Sprintf("alert %s states %s", Plain(worst.Name, 253), stated)
		if len(alerts) > 1 {
			reason += ", the most of " + fmt.Sprint(len(alerts))
		}
	}
	if benign(verdict) {
		return v1alpha1.SeverityInformational, reason + "; a benign verdict leaves none of it"
	}
	// Fatal is for who sees the damage; it is never concluded.
	most := max(stated.Rank(), v1alpha1.SeverityCritical.Rank())
	rank, reasons := stated.Rank(), []string{reason}
	move := func(to int, why string) {
		if to = min(max(to, 0), most); to != rank {
			rank, reasons = to, append(reasons, why)
		}
	}
	switch stakes.Criticality {
	case CriticalityHigh, CriticalityCritical:
		move(rank+1, "raised for a target of criticality "+string(stakes.Criticality)+cite(stakes.CriticalityFrom))
	case CriticalityLow:
		move(rank-1, "lowered for targets of criticality low"+cite(stakes.CriticalityFrom))
	}
	if wide(stakes.Reach) {
		move(rank+1, "raised for what it reaches: "+reaches(stakes.Reach)+cite(stakes.ReachFrom))
	}
	if verdict == v1alpha1.TruePositive {
		least, why := v1alpha1.SeverityMedium, "an attack is Medium at least"
		if stakes.Reach != nil && stakes.Reach.ClusterAdmin {
			least, why = v1alpha1.SeverityCritical, "an attack that can do everything in the cluster"+cite(stakes.ReachFrom)+" is Critical"
		}
		move(max(rank, least.Rank()), why)
	}
	return v1alpha1.Severities[rank], strings.Join(reasons, "; ")
}

func benign(v v1alpha1.Verdict) bool {
	return v == v1alpha1.BenignPositive || v == v1alpha1.FalsePositive
}

// worstOf the alerts is the first of those that state the highest severity; nil if there is none.
func worstOf(alerts []v1alpha1.Alert) *v1alpha1.Alert {
	var worst *v1alpha1.Alert
	for i := range alerts {
		if worst == nil || alerts[i].Spec.Severity.Rank() > worst.Spec.Severity.Rank() {
			worst = &alerts[i]
		}
	}
	return worst
}

// wide is a reach with which one workload's incident becomes that of many.
func wide(r *v1alpha1.BlastRadius) bool {
	return r != nil && (r.ClusterAdmin || r.Nodes > 0 || r.Secrets >= 50 || r.Namespaces >= 10)
}

func reaches(r *v1alpha1.BlastRadius) string {
	switch {
	case r == nil:
		return "not known"
	case r.ClusterAdmin:
		return "everything, as cluster-admin"
	case nothing(r):
		return "nothing by RBAC as read"
	}
	return fmt.Sprintf("%s in %s, exec into %s, %s", several(r.Secrets, "Secret"), several(r.Namespaces, "namespace"), several(r.PodsExec, "pod"), several(r.Nodes, "node"))
}

// nothing is what RBAC often grants to those who act by other ways, such as a group of people.
func nothing(r *v1alpha1.BlastRadius) bool { return r.Secrets+r.Namespaces+r.PodsExec+r.Nodes == 0 }

func several(n int32, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// stated is the criticality in words.
func (c Criticality) stated() string { return cmp.Or(string(c), "not stated") }
