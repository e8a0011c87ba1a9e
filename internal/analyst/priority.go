package analyst

import (
	"fmt"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// likelihood that a case is an attack: a human who graded it knows.
func likelihood(c Conclusion, grade *v1alpha1.Grade) (permille int32, words string) {
	words = "probability " + chance(c)
	switch {
	case grade == nil || grade.Verdict == v1alpha1.Undetermined:
		return c.ProbabilityPermille, words
	case benign(grade.Verdict):
		permille = 0
	default:
		permille = 1000
	}
	return permille, fmt.Sprintf("graded %s by a human, whatever the %s", grade.Verdict, words)
}

// Priority orders the queue by expected harm: how likely an attack is, times how bad
// it would be, which is the severity of the case with criticality and reach in it. The
// reason tells all four.
func Priority(c Conclusion, grade *v1alpha1.Grade, severity v1alpha1.Severity, stakes Stakes) (v1alpha1.Priority, string) {
	permille, likely := likelihood(c, grade)
	reason := strings.Join([]string{
		likely, "severity " + string(severity), "criticality " + stakes.Criticality.stated() + cite(stakes.CriticalityFrom),
		"reach: " + reaches(stakes.Reach) + cite(stakes.ReachFrom),
	}, "; ")
	bad := severity.Rank() >= v1alpha1.SeverityHigh.Rank()
	switch {
	case permille >= 950 && bad:
		return v1alpha1.PriorityP1, reason
	case permille >= 950, permille >= 500 && bad:
		return v1alpha1.PriorityP2, reason
	case permille >= 200, permille >= 50 && bad:
		return v1alpha1.PriorityP3, reason
	}
	return v1alpha1.PriorityP4, reason
}

// certain in centibans: from there on the permille of a conclusion says no more.
const certain = 300

// chance is the probability of a conclusion in words.
func chance(c Conclusion) string {
	switch {
	case c.Score <= -certain:
		return "under 0.1 %"
	case c.Score >= certain:
		return "over 99.9 %"
	}
	return percent(c.ProbabilityPermille)
}

func percent(permille int32) string { return fmt.Sprintf("%.1f %%", float64(permille)/10) }
