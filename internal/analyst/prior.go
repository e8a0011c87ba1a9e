package analyst

import (
	"fmt"
	"math"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// HalfLife in days: a graded case counts half as much when it is that old, and a
// quarter when it is twice as old. What a rule is worth changes with the cluster
// and with its exceptions; a quarter of a year is a few releases of both.
const HalfLife = 90

// Recency is how much a graded case counts that was opened so many days ago: 1 for today's.
func Recency(days int) float64 { return math.Exp2(-float64(max(days, 0)) / HalfLife) }

// RuleHistory is how humans graded the earlier cases of one rule.
type RuleHistory struct {
	Rule string
	// Severity that the rule states.
	Severity v1alpha1.Severity
	// Attacks are the graded cases that were TruePositive.
	Attacks int64
	// Graded are all graded cases but the Undetermined ones.
	Graded int64
	// EffectiveAttacks and EffectiveGraded are the same, each case by its Recency. They
	// count in tenths, as they are shown, so that a person can do the sum again.
	EffectiveAttacks, EffectiveGraded float64
}

// pseudoCases is how many graded cases the severity's own prior is worth.
const pseudoCases = 2

// severityPrior in centibans, for a rule of which nothing is known.
var severityPrior = map[v1alpha1.Severity]int32{
	v1alpha1.SeverityInformational: -120,
	v1alpha1.SeverityLow:           -100,
	v1alpha1.SeverityMedium:        -70,
	v1alpha1.SeverityHigh:          -40,
	v1alpha1.SeverityCritical:      0,
	v1alpha1.SeverityFatal:         30,
}

// Belief is what is believed of an alert before any evidence.
type Belief struct {
	// Alert by name.
	Alert string
	// Prior is the log-odds in centibans that it is an attack, and Reason where it comes from.
	Prior  int32
	Reason string
}

// unknownRule is what is believed where there is no alert.
var unknownRule = Belief{Prior: severityPrior[v1alpha1.SeverityMedium], Reason: "no rule is known: as for severity Medium"}

// Believe what the history of its rule says of an alert.
//
// A rule's prior is the mean of a Beta posterior (Gelman et al., Bayesian Data
// Analysis, 3rd ed., section 2.4): with m the probability that the severity
// alone stands for, the prior is Beta(2m, 2(1-m)); after a attacks in n graded
// cases the mean is (a+2m)/(n+2). Without history that is m itself. Old cases are
// forgotten exponentially: a and n are the sums of their Recency. The result is
// capped like a finding, so that no history alone outweighs two strong findings.
func Believe(alert string, r RuleHistory) Belief {
	prior, reason := r.prior()
	return Belief{Alert: alert, Prior: prior, Reason: reason}
}

func (r RuleHistory) prior() (int32, string) {
	base, known := severityPrior[r.Severity]
	if !known {
		base = severityPrior[v1alpha1.SeverityMedium]
	}
	if r.Graded <= 0 {
		return base, fmt.Sprintf("no graded case of rule %s: by severity %s", quote(r.Rule, 128), r.Severity)
	}
	m := probability(base)
	graded := tenths(max(r.EffectiveGraded, 0))
	attacks := min(tenths(max(r.EffectiveAttacks, 0)), graded)
	mean := (attacks + pseudoCases*m) / (graded + pseudoCases)
	centibans := int32(math.Round(100 * math.Log10(mean/(1-mean))))
	limit := ""
	if capped(centibans) != centibans {
		limit = fmt.Sprintf("; at most %d dB count", MaxDecibans)
	}
	return capped(centibans), fmt.Sprintf(
		"%d of %d graded cases of rule %s were attacks, recent ones count more: effective %.1f of %.1f; with severity %s as %d cases more: (%.1f + %d x %.1f %%) / (%.1f + %d)",
		min(max(r.Attacks, 0), r.Graded), r.Graded, quote(r.Rule, 128), attacks, graded, r.Severity, pseudoCases, attacks, pseudoCases, 100*m, graded, pseudoCases) + limit
}

func tenths(n float64) float64 { return math.Round(10*n) / 10 }

// probability of log-odds in centibans: the logistic function.
func probability(centibans int32) float64 {
	return 1 / (1 + math.Pow(10, -float64(centibans)/100))
}

// permille of log-odds in centibans. It never says certain: 1 to 999.
func permille(centibans int32) int32 {
	return min(max(int32(math.Round(1000*probability(centibans))), 1), 999)
}

// NewRuleHistory reads the history of a rule from an answer of the operation "rule-history".
func NewRuleHistory(rule string, severity v1alpha1.Severity, answer map[string]any) RuleHistory {
	r := RuleHistory{Rule: rule, Severity: severity, Attacks: int64(count(answer["truePositives"]))}
	r.Graded = r.Attacks + int64(count(answer["benignPositives"])) + int64(count(answer["falsePositives"]))
	r.EffectiveAttacks, r.EffectiveGraded = quantity(answer["effectiveTruePositives"]), quantity(answer["effectiveGraded"])
	return r
}

// quantity reads a number of an answer, which need not be whole.
func quantity(value any) float64 {
	if n, ok := value.(float64); ok {
		return n
	}
	return float64(count(value))
}
