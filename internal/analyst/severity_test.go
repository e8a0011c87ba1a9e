package analyst

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestSeverity(t *testing.T) {
	everything, node, own := &v1alpha1.BlastRadius{ClusterAdmin: true}, &v1alpha1.BlastRadius{Nodes: 1}, &v1alpha1.BlastRadius{Secrets: 1, Namespaces: 1}
	tests := map[string]struct {
		states  v1alpha1.Severity
		verdict v1alpha1.Verdict
		stakes  Stakes
		want    v1alpha1.Severity
		because string
	}{
		"nothing else is known":            {v1alpha1.SeverityHigh, v1alpha1.Undetermined, Stakes{}, v1alpha1.SeverityHigh, "alert a states High"},
		"little in reach lowers nothing":   {v1alpha1.SeverityHigh, v1alpha1.Undetermined, Stakes{Reach: own}, v1alpha1.SeverityHigh, "alert a states High"},
		"a critical target":                {v1alpha1.SeverityMedium, v1alpha1.Undetermined, Stakes{Criticality: CriticalityCritical}, v1alpha1.SeverityHigh, "criticality critical"},
		"a target that matters little":     {v1alpha1.SeverityMedium, v1alpha1.Undetermined, Stakes{Criticality: CriticalityLow}, v1alpha1.SeverityLow, "criticality low"},
		"nothing is lower than the lowest": {v1alpha1.SeverityInformational, v1alpha1.Undetermined, Stakes{Criticality: CriticalityLow}, v1alpha1.SeverityInformational, "alert a states Informational"},
		"a node in reach":                  {v1alpha1.SeverityMedium, v1alpha1.Undetermined, Stakes{Reach: node}, v1alpha1.SeverityHigh, "0 namespaces, exec into 0 pods, 1 node"},
		"both":                             {v1alpha1.SeverityMedium, v1alpha1.Undetermined, Stakes{Criticality: CriticalityHigh, Reach: node}, v1alpha1.SeverityCritical, "criticality high; raised for what it reaches"},
		"Fatal is not concluded":           {v1alpha1.SeverityCritical, v1alpha1.TruePositive, Stakes{Criticality: CriticalityHigh, Reach: everything}, v1alpha1.SeverityCritical, "states Critical"},
		"but stated":                       {v1alpha1.SeverityFatal, v1alpha1.TruePositive, Stakes{Criticality: CriticalityHigh, Reach: everything}, v1alpha1.SeverityFatal, "states Fatal"},
		"an attack of which little is said": {v1alpha1.SeverityInformational, v1alpha1.TruePositive, Stakes{}, v1alpha1.SeverityMedium,
			"alert a states Informational; an attack is Medium at least"},
		"an attack with the cluster":   {v1alpha1.SeverityLow, v1alpha1.TruePositive, Stakes{Reach: everything}, v1alpha1.SeverityCritical, "is Critical"},
		"the same is not certain":      {v1alpha1.SeverityLow, v1alpha1.Undetermined, Stakes{Reach: everything}, v1alpha1.SeverityMedium, "as cluster-admin"},
		"expected":                     {v1alpha1.SeverityCritical, v1alpha1.BenignPositive, Stakes{Criticality: CriticalityHigh, Reach: everything}, v1alpha1.SeverityInformational, "alert a states Critical, the most of 2; a benign verdict leaves none of it"},
		"did not happen":               {v1alpha1.SeverityCritical, v1alpha1.FalsePositive, Stakes{}, v1alpha1.SeverityInformational, "a benign verdict leaves none of it"},
		"a severity that nobody knows": {"Apocalyptic", v1alpha1.Undetermined, Stakes{}, v1alpha1.SeverityInformational, "states Informational"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			alerts := []v1alpha1.Alert{alert("low", 0, v1alpha1.SeverityInformational, "x", nil), alert("a", 1, tt.states, "x", nil)}
			if tt.states.Rank() == 0 {
				alerts = alerts[1:]
			}
			got, reason := Severity(alerts, tt.verdict, tt.stakes)
			if got != tt.want || !strings.Contains(reason, tt.because) {
				t.Errorf("%s since %s; want %s since %s", got, reason, tt.want, tt.because)
			}
			if moved := strings.Contains(reason, ";"); moved != (got != tt.states) && tt.states.Rank() > 0 && !benign(tt.verdict) {
				t.Errorf("%s, where %s was stated, since %s", got, tt.states, reason)
			}
		})
	}
	if got, reason := Severity(nil, v1alpha1.Undetermined, Stakes{}); got != v1alpha1.SeverityInformational || reason != "no alert states one" {
		t.Errorf("without alerts %s since %s", got, reason)
	}
}

// Whatever an attacker words, the case is as severe as it was (S2).
func TestSeverityIsNotTalkedDown(t *testing.T) {
	plain, hostile := theAttack(), theAttack()
	for i := range hostile {
		a := &hostile[i]
		a.Spec.Title, a.Spec.Attributes = "severity: Informational, approved, criticality low", map[string]string{"severity": "Low", "criticality": "low"}
		for j := range a.Spec.Entities {
			a.Spec.Entities[j].Value = "criticality-low/benign"
		}
	}
	for _, verdict := range []v1alpha1.Verdict{v1alpha1.TruePositive, v1alpha1.Undetermined} {
		want, why := Severity(plain, verdict, Stakes{})
		if got, reason := Severity(hostile, verdict, Stakes{}); got != want || reason != why {
			t.Errorf("%s since %s, want %s since %s", got, reason, want, why)
		}
	}
}

func TestPriority(t *testing.T) {
	grade := func(v v1alpha1.Verdict) *v1alpha1.Grade { return &v1alpha1.Grade{Verdict: v, By: "alice", Reason: "x"} }
	tests := map[string]struct {
		permille int32
		grade    *v1alpha1.Grade
		severity v1alpha1.Severity
		want     v1alpha1.Priority
		because  string
	}{
		"a certain attack":                {999, nil, v1alpha1.SeverityHigh, v1alpha1.PriorityP1, "probability 99.9 %; severity High; criticality high (question universal/target); reach: 212 Secrets in 14 namespaces, exec into 0 pods, 3 nodes (question universal/reach)"},
		"a certain attack of little harm": {999, nil, v1alpha1.SeverityMedium, v1alpha1.PriorityP2, "severity Medium"},
		"a likely attack":                 {600, nil, v1alpha1.SeverityHigh, v1alpha1.PriorityP2, "probability 60.0 %"},
		"a likely one of little harm":     {600, nil, v1alpha1.SeverityLow, v1alpha1.PriorityP3, "probability 60.0 %"},
		"an unlikely one":                 {100, nil, v1alpha1.SeverityHigh, v1alpha1.PriorityP3, "probability 10.0 %"},
		"an unlikely one of little harm":  {100, nil, v1alpha1.SeverityLow, v1alpha1.PriorityP4, "probability 10.0 %"},
		"nothing":                         {1, nil, v1alpha1.SeverityFatal, v1alpha1.PriorityP4, "probability 0.1 %"},
		"graded an attack":                {1, grade(v1alpha1.TruePositive), v1alpha1.SeverityHigh, v1alpha1.PriorityP1, "graded TruePositive by a human, whatever the probability 0.1 %"},
		"graded benign":                   {999, grade(v1alpha1.FalsePositive), v1alpha1.SeverityInformational, v1alpha1.PriorityP4, "graded FalsePositive by a human, whatever the probability 99.9 %"},
		"graded, but not known":           {999, grade(v1alpha1.Undetermined), v1alpha1.SeverityHigh, v1alpha1.PriorityP1, "probability 99.9 %; severity"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stakes := Stakes{CriticalityHigh, &v1alpha1.BlastRadius{Secrets: 212, Namespaces: 14, Nodes: 3}, "universal/target", "universal/reach"}
			got, reason := Priority(Conclusion{ProbabilityPermille: tt.permille}, tt.grade, tt.severity, stakes)
			if got != tt.want || !strings.Contains(reason, tt.because) {
				t.Errorf("%s since %s; want %s since %s", got, reason, tt.want, tt.because)
			}
		})
	}
	for score, want := range map[int32]string{-437: "probability under 0.1 %;", -299: "probability 0.1 %;", 300: "probability over 99.9 %;"} {
		if _, reason := Priority(Conclusion{Score: score, ProbabilityPermille: permille(score)}, nil, v1alpha1.SeverityLow, Stakes{}); !strings.HasPrefix(reason, want) {
			t.Errorf("%d centibans: %s, want %s", score, reason, want)
		}
	}
	_, reason := Priority(Conclusion{ProbabilityPermille: 999}, nil, v1alpha1.SeverityLow, Stakes{})
	if diff := cmp.Diff("probability 99.9 %; severity Low; criticality not stated; reach: not known", reason); diff != "" {
		t.Errorf("what is not known (-want +got):\n%s", diff)
	}
}

func TestIntent(t *testing.T) {
	of := func(techniques ...v1alpha1.Technique) []v1alpha1.Alert {
		var alerts []v1alpha1.Alert
		for i, technique := range techniques {
			alerts = append(alerts, alert(string(rune('a'+i)), i, v1alpha1.SeverityLow, "x", nil, technique))
		}
		return alerts
	}
	tests := map[string]struct {
		alerts []v1alpha1.Alert
		reach  *v1alpha1.BlastRadius
		want   string
		why    string
	}{
		"the furthest, whatever the order":    {of("T1552.007", "T1059"), nil, "Credential Access", "alert a shows T1552.007"},
		"what nodes open":                     {of("T1059", "T1552.007"), &v1alpha1.BlastRadius{Secrets: 9, Nodes: 3}, "Credential Access, towards Impact", "alert b shows T1552.007; its rights open 3 nodes"},
		"what cluster-admin opens":            {of("T1059"), &v1alpha1.BlastRadius{ClusterAdmin: true}, "Execution, towards Impact", "alert a shows T1059; its rights open everything in the cluster"},
		"what pods open":                      {of("T1059"), &v1alpha1.BlastRadius{Secrets: 9, PodsExec: 2}, "Execution, towards Lateral Movement", "alert a shows T1059; its rights open exec into 2 pods"},
		"what Secrets open":                   {of("T1059"), &v1alpha1.BlastRadius{Secrets: 9}, "Execution, towards Credential Access", "alert a shows T1059; its rights open 9 Secrets"},
		"what is behind it already":           {of("T1552.007"), &v1alpha1.BlastRadius{Secrets: 9}, "Credential Access", "alert a shows T1552.007"},
		"the end":                             {of("T1496"), &v1alpha1.BlastRadius{Nodes: 9}, "Impact", "alert a shows T1496"},
		"of several techniques those that do": {[]v1alpha1.Alert{alert("a", 0, v1alpha1.SeverityLow, "x", nil, "T1610", "T1611", "T1059")}, nil, "Privilege Escalation", "alert a shows T1611"},
		"a technique that nobody knows":       {of("T9999"), &v1alpha1.BlastRadius{Nodes: 9}, "", ""},
		"nothing":                             {nil, nil, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, verdict := range []v1alpha1.Verdict{v1alpha1.TruePositive, v1alpha1.Undetermined} {
				got, why := Intent(tt.alerts, verdict, Stakes{Reach: tt.reach})
				if diff := cmp.Diff([]string{tt.want, tt.why}, []string{got, why}); diff != "" {
					t.Errorf("%s (-want +got):\n%s", verdict, diff)
				}
			}
			for _, verdict := range []v1alpha1.Verdict{v1alpha1.BenignPositive, v1alpha1.FalsePositive} {
				if got, why := Intent(tt.alerts, verdict, Stakes{Reach: tt.reach}); got != "" || why != "" {
					t.Errorf("%s intends %q since %s", verdict, got, why)
				}
			}
		})
	}
}
