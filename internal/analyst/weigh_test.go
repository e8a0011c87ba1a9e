package analyst

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	trusted  = v1alpha1.ProvenanceTrusted
	writable = v1alpha1.ProvenanceAttackerWritable
)

// line is evidence as a test states it: weight, and why it is not what was claimed.
type line struct {
	Weight int32
	Note   string
}

func TestWeigh(t *testing.T) {
	tests := map[string]struct {
		facts       Facts
		wantVerdict v1alpha1.Verdict
		wantScore   int32
		wantLines   []line
		wantReason  string
	}{
		"nothing found": {
			facts:       Facts{Alerts: believed(-40, "a")},
			wantVerdict: v1alpha1.Undetermined, wantScore: -40, wantReason: "decides neither way",
		},
		"confirmed at the threshold": {
			facts:       Facts{Alerts: believed(0, "a"), Findings: []Finding{{Text: "x", Provenance: trusted, Decibans: 13}}},
			wantVerdict: v1alpha1.TruePositive, wantScore: 130, wantLines: []line{{130, ""}}, wantReason: "reaches +13.0 dB",
		},
		"just below the threshold": {
			facts:       Facts{Alerts: believed(-1, "a"), Findings: []Finding{{Text: "x", Provenance: trusted, Decibans: 13}}},
			wantVerdict: v1alpha1.Undetermined, wantScore: 129, wantLines: []line{{130, ""}}, wantReason: "decides neither way",
		},
		"dismissed at the threshold": {
			facts:       Facts{Alerts: believed(0, "a"), Findings: []Finding{{Text: "x", Alert: "a", Provenance: trusted, Decibans: -13}}},
			wantVerdict: v1alpha1.BenignPositive, wantScore: -130, wantLines: []line{{-130, ""}},
		},
		"dismissed as the strongest evidence suggests": {
			facts: Facts{Alerts: believed(-40, "a"), Findings: []Finding{
				{Text: "x", Alert: "a", Provenance: trusted, Decibans: -4, Suggests: v1alpha1.BenignPositive},
				{Text: "y", Alert: "a", Provenance: trusted, Decibans: -6, Suggests: v1alpha1.FalsePositive},
			}},
			wantVerdict: v1alpha1.FalsePositive, wantScore: -140, wantLines: []line{{-40, ""}, {-60, ""}},
		},
		"thresholds are configuration": {
			facts: Facts{Alerts: believed(0, "a"), Thresholds: v1alpha1.Thresholds{Confirm: 20, Dismiss: 5},
				Findings: []Finding{{Text: "x", Alert: "a", Provenance: trusted, Decibans: -5}}},
			wantVerdict: v1alpha1.BenignPositive, wantScore: -50, wantLines: []line{{-50, ""}},
		},
		"S2: what the suspect wrote never lowers suspicion": {
			facts: Facts{Alerts: believed(-100, "a"), Findings: []Finding{
				{Text: "labelled approved", Alert: "a", Provenance: writable, Decibans: -20},
				{Text: "no provenance is none", Alert: "a", Decibans: -20},
				{Text: "looks odd", Alert: "a", Provenance: writable, Decibans: 2},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -80, wantReason: "decides neither way",
			wantLines: []line{{0, "written by the suspect: counts for nothing"}, {0, "written by the suspect: counts for nothing"}, {20, ""}},
		},
		"S3: a prior alone closes nothing": {
			facts:       Facts{Alerts: believed(-200, "a")},
			wantVerdict: v1alpha1.Undetermined, wantScore: -200, wantReason: "no trusted evidence",
		},
		"S3: a prior and the suspect's words close nothing": {
			facts:       Facts{Alerts: believed(-200, "a"), Findings: []Finding{{Text: "x", Alert: "a", Provenance: writable, Decibans: -20}}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -200, wantReason: "no trusted evidence",
			wantLines: []line{{0, "written by the suspect: counts for nothing"}},
		},
		"S3: an injection attempt closes nothing and adds suspicion": {
			facts: Facts{Alerts: believed(-100, "a"), Injection: []string{"cmdline states a verdict"},
				Findings: []Finding{{Text: "x", Alert: "a", Provenance: trusted, Decibans: -20}}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -270, wantReason: "sway", wantLines: []line{{-200, ""}, {30, ""}},
		},
		"S3: a question without an answer closes nothing": {
			facts: Facts{Alerts: believed(-100, "a"), Unanswered: []string{"workload: timed out"},
				Findings: []Finding{{Text: "x", Alert: "a", Provenance: trusted, Decibans: -20}}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -300, wantReason: "not known: workload", wantLines: []line{{-200, ""}},
		},
		"a question without an answer does not stop a confirmation": {
			facts:       Facts{Alerts: believed(0, "a"), Unanswered: []string{"x"}, Findings: []Finding{{Text: "x", Provenance: trusted, Decibans: 20}}},
			wantVerdict: v1alpha1.TruePositive, wantScore: 200, wantLines: []line{{200, ""}}, wantReason: "reaches",
		},
		"one finding is capped": {
			facts: Facts{Alerts: believed(0, "a"), Findings: []Finding{
				{Text: "x", Provenance: trusted, Decibans: 60}, {Text: "y", Provenance: trusted, Alert: "a", Decibans: math.MinInt32},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: 0, wantReason: "decides neither way",
			wantLines: []line{{200, "one finding counts at most +20.0 dB"}, {-200, "one finding counts at most +20.0 dB"}},
		},
		"a group counts once, by its strongest": {
			facts: Facts{Alerts: believed(0, "a"), Findings: []Finding{
				{Text: "w", Provenance: trusted, Group: "g", Decibans: 6}, {Text: "x", Provenance: trusted, Group: "g", Decibans: 9},
				{Text: "y", Provenance: trusted, Decibans: 1}, {Text: "z", Provenance: trusted, Group: "g", Decibans: 9},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: 100, wantReason: "decides neither way",
			wantLines: []line{{0, "counted once with E2"}, {90, ""}, {10, ""}, {0, "counted once with E2"}},
		},
		"in a group, at the same size suspicion counts": {
			facts: Facts{Alerts: believed(0, "a"), Findings: []Finding{
				{Text: "x", Provenance: trusted, Alert: "a", Group: "g", Decibans: -5}, {Text: "y", Provenance: trusted, Alert: "a", Group: "g", Decibans: 5},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: 50, wantReason: "decides neither way",
			wantLines: []line{{0, "counted once with E2"}, {50, ""}},
		},
		"the suspect's words cannot push trusted suspicion out of a group": {
			facts: Facts{Alerts: believed(0, "a"), Findings: []Finding{
				{Text: "x", Provenance: writable, Alert: "a", Group: "g", Decibans: -20}, {Text: "y", Provenance: trusted, Alert: "a", Group: "g", Decibans: 4},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: 40, wantReason: "decides neither way",
			wantLines: []line{{0, "written by the suspect: counts for nothing"}, {40, ""}},
		},
		"the same finding twice is one": {
			facts: Facts{Alerts: believed(0, "a", "b"), Findings: []Finding{
				{Question: "q", Text: "x", Alert: "a", Provenance: trusted, Decibans: 9}, {Question: "q", Text: "x", Alert: "b", Provenance: trusted, Decibans: 9},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: 90, wantLines: []line{{90, ""}}, wantReason: "decides neither way",
		},
		"one explained alert does not explain the other": {
			facts: Facts{Alerts: believed(-40, "a", "b"), Findings: []Finding{
				{Text: "x", Alert: "a", Provenance: trusted, Group: "automation", Decibans: -8}, {Text: "y", Alert: "a", Provenance: trusted, Group: "rollout", Decibans: -7},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -40, wantReason: "decides neither way",
			wantLines: []line{{0, "does not explain alert b"}, {0, "does not explain alert b"}},
		},
		"the alert that is explained least decides": {
			facts: Facts{Alerts: believed(-40, "a", "b"), Findings: []Finding{
				{Text: "x", Alert: "a", Provenance: trusted, Group: "automation", Decibans: -8}, {Text: "y", Alert: "a", Provenance: trusted, Group: "rollout", Decibans: -7},
				{Text: "z", Alert: "b", Provenance: trusted, Group: "automation", Decibans: -8},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -120, wantReason: "decides neither way",
			wantLines: []line{{0, "counted once with E3"}, {0, "does not explain alert b"}, {-80, ""}},
		},
		"what is usual of one alert does not outweigh what is new of another": {
			facts: Facts{Alerts: believed(0, "a", "b"), Findings: []Finding{
				{Text: "x", Alert: "a", Provenance: trusted, Group: "automation", Decibans: -8}, {Text: "y", Alert: "a", Provenance: trusted, Group: "novelty", Decibans: -6},
				{Text: "z", Alert: "b", Provenance: trusted, Group: "automation", Decibans: -8}, {Text: "u", Alert: "b", Provenance: trusted, Group: "rollout", Decibans: -7},
				{Text: "v", Alert: "b", Provenance: trusted, Group: "novelty", Decibans: 4},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -40, wantReason: "decides neither way",
			wantLines: []line{{-80, ""}, {0, "does not hold for alert b"}, {0, "counted once with E1"}, {0, "does not explain alert a"}, {40, ""}},
		},
		"every alert explained": {
			facts: Facts{Alerts: believed(-40, "a", "b"), Findings: []Finding{
				{Text: "x", Alert: "a", Provenance: trusted, Group: "automation", Decibans: -8}, {Text: "y", Alert: "b", Provenance: trusted, Group: "debugging", Decibans: -10},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -120, wantReason: "decides neither way",
			wantLines: []line{{-80, ""}, {0, "does not explain alert a"}},
		},
		"what is usual excuses nothing of an alert that is not as ever": {
			facts: Facts{Alerts: believed(-100, "a"), Findings: []Finding{
				{Text: "fires every day", Group: "novelty", Alert: "a", Provenance: trusted, Decibans: -13},
				{Text: "another command", Group: "details", Alert: "a", Provenance: writable, Decibans: 5},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -50, wantReason: "decides neither way",
			wantLines: []line{{0, "it is not as ever: another command"}, {50, ""}},
		},
		"what is declared still counts for one that is new": {
			facts: Facts{Alerts: believed(-100, "a"), Findings: []Finding{
				{Text: "known automation", Group: "automation", Alert: "a", Provenance: trusted, Decibans: -12},
				{Text: "never here", Group: "novelty", Alert: "a", Provenance: trusted, Decibans: 3},
			}},
			wantVerdict: v1alpha1.BenignPositive, wantScore: -190, wantLines: []line{{-120, ""}, {30, ""}},
		},
		"a trifle excuses nobody, whatever the prior": {
			facts: Facts{Alerts: believed(-200, "a"), Findings: []Finding{
				{Text: "comes as ever", Group: "origin", Alert: "a", Provenance: trusted, Decibans: -3},
			}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -230, wantReason: "trusted evidence lowers suspicion by less than 5 dB",
			wantLines: []line{{-30, ""}},
		},
		"two trifles together do": {
			facts: Facts{Alerts: believed(-70, "a"), Findings: []Finding{
				{Text: "comes as ever", Group: "origin", Alert: "a", Provenance: trusted, Decibans: -3},
				{Text: "fired before", Group: "novelty", Alert: "a", Provenance: trusted, Decibans: -3},
			}},
			wantVerdict: v1alpha1.BenignPositive, wantScore: -130, wantLines: []line{{-30, ""}, {-30, ""}},
		},
		"alerts that nobody names are not explained": {
			facts:       Facts{Findings: []Finding{{Text: "x", Alert: "a", Provenance: trusted, Decibans: -20}}},
			wantVerdict: v1alpha1.Undetermined, wantScore: -70, wantReason: "decides neither way",
			wantLines: []line{{0, "does not explain alert"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Weigh(tt.facts)
			if c.Verdict != tt.wantVerdict || c.Score != tt.wantScore {
				t.Errorf("%s at %d, want %s at %d", c.Verdict, c.Score, tt.wantVerdict, tt.wantScore)
			}
			var lines []line
			for _, e := range c.Evidence {
				lines = append(lines, line{e.Weight, e.Note})
			}
			if diff := cmp.Diff(tt.wantLines, lines); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
			if !strings.Contains(c.EscalateReason, tt.wantReason) || c.Escalate != (tt.wantReason != "") {
				t.Errorf("escalated %v: %q, want %q", c.Escalate, c.EscalateReason, tt.wantReason)
			}
		})
	}
}

// TestWeighPriors: the prior of the least innocent alert counts, by what explains each.
func TestWeighPriors(t *testing.T) {
	critical, low := Belief{Alert: "critical", Prior: 0, Reason: "by severity Critical"}, Belief{Alert: "low", Prior: -100, Reason: "by severity Low"}
	explains := func(alert string, decibans int32) Finding {
		return Finding{Text: "usual of " + alert, Alert: alert, Provenance: trusted, Decibans: decibans}
	}
	tests := map[string]struct {
		facts       Facts
		wantPrior   int32
		wantReason  string
		wantScore   int32
		wantVerdict v1alpha1.Verdict
	}{
		"nothing explains either": {
			Facts{Alerts: []Belief{low, critical}}, 0, "by severity Critical", 0, v1alpha1.Undetermined,
		},
		"the critical one is well explained, the low one is not": {
			Facts{Alerts: []Belief{critical, low}, Findings: []Finding{explains("critical", -20)}}, -100, "by severity Low", -100, v1alpha1.Undetermined,
		},
		"the critical one is explained a little": {
			Facts{Alerts: []Belief{critical, low}, Findings: []Finding{explains("critical", -9)}}, 0, "by severity Critical", -90, v1alpha1.Undetermined,
		},
		"both are explained, the low one enough alone": {
			Facts{Alerts: []Belief{critical, low}, Findings: []Finding{explains("critical", -10), explains("low", -20)}}, 0, "by severity Critical", -100, v1alpha1.Undetermined,
		},
		"both are explained": {
			Facts{Alerts: []Belief{critical, low}, Findings: []Finding{explains("critical", -20), explains("low", -5)}}, -100, "by severity Low", -150, v1alpha1.BenignPositive,
		},
		"the suspect's words explain nothing": {
			Facts{Alerts: []Belief{critical, low}, Findings: []Finding{{Text: "x", Alert: "critical", Provenance: writable, Decibans: -20}}}, 0, "by severity Critical", 0, v1alpha1.Undetermined,
		},
		"a prior is capped": {
			Facts{Alerts: []Belief{{Alert: "a", Prior: 9000, Reason: "r"}, low}}, 200, "r", 200, v1alpha1.TruePositive,
		},
		"no alert": {Facts{}, -70, "no rule is known", -70, v1alpha1.Undetermined},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Weigh(tt.facts)
			if c.Prior != tt.wantPrior || !strings.Contains(c.PriorReason, tt.wantReason) || c.Score != tt.wantScore || c.Verdict != tt.wantVerdict {
				t.Errorf("%s at %d from %d (%s), want %s at %d from %d (%s)",
					c.Verdict, c.Score, c.Prior, c.PriorReason, tt.wantVerdict, tt.wantScore, tt.wantPrior, tt.wantReason)
			}
		})
	}
}

// believed alerts, all with the same prior.
func believed(prior int32, names ...string) []Belief {
	var all []Belief
	for _, name := range names {
		all = append(all, Belief{Alert: name, Prior: prior})
	}
	return all
}

func TestWeighBoundsEvidence(t *testing.T) {
	facts := Facts{Alerts: believed(-200, "a")}
	for i := range 300 {
		facts.Findings = append(facts.Findings, Finding{Text: fmt.Sprint("x", i), Alert: "a", Provenance: trusted, Decibans: -5})
	}
	facts.Findings = append(facts.Findings, Finding{Text: "y", Provenance: writable, Decibans: 20})
	c := Weigh(facts)
	if len(c.Evidence) != maxEvidence || c.Evidence[255].Finding != "y" || c.Evidence[255].ID != "E256" {
		t.Errorf("%d findings, the last is %+v", len(c.Evidence), c.Evidence[len(c.Evidence)-1])
	}
	if c.Verdict != v1alpha1.Undetermined || !strings.Contains(c.EscalateReason, "not all could be counted") {
		t.Errorf("%s: %s", c.Verdict, c.EscalateReason)
	}
}

func TestProbability(t *testing.T) {
	for centibans, want := range map[int32]int32{0: 500, 100: 909, -100: 91, 130: 952, -130: 48, 200: 990, 306: 999, 6000: 999, -6000: 1, math.MaxInt32: 999, math.MinInt32: 1} {
		if got := permille(centibans); got != want {
			t.Errorf("permille(%d) = %d, want %d", centibans, got, want)
		}
	}
}

// FuzzWeighCompany: no alert is more innocent in the company of another than alone.
func FuzzWeighCompany(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 5, 6}, int16(0), int16(0))
	f.Add([]byte{1, 1, 248, 2, 2, 250, 3, 5, 248, 4, 7, 249, 5, 6, 4}, int16(-100), int16(30))
	f.Fuzz(func(t *testing.T, raw []byte, a, b int16) {
		var findings []Finding
		for ; len(raw) >= 3 && len(findings) < maxEvidence; raw = raw[3:] {
			findings = append(findings, Finding{
				Text: fmt.Sprint(len(findings)), Group: []string{"", "g", "h", "i"}[raw[1]&3], Alert: []string{"a", "b"}[raw[1]>>2&1],
				Provenance: []v1alpha1.Provenance{trusted, writable}[raw[0]&1], Decibans: int32(int8(raw[2])),
			})
		}
		beliefs := []Belief{{Alert: "a", Prior: int32(a)}, {Alert: "b", Prior: int32(b)}}
		both := Weigh(Facts{Alerts: beliefs, Findings: findings})
		for i, alert := range []string{"a", "b"} {
			own := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Alert != alert })
			if alone := Weigh(Facts{Alerts: beliefs[i : i+1], Findings: own}); both.Score < alone.Score {
				t.Errorf("alert %s alone is at %d, with the other at %d", alert, alone.Score, both.Score)
			}
		}
	})
}

// FuzzWeigh: whatever is found, the sum is exact, S2 and S3 hold, and the schema's bounds.
func FuzzWeigh(f *testing.F) {
	f.Add(int32(-40), []byte{1, 2, 3, 200, 5, 6}, false, false)
	f.Add(int32(-2000), []byte{0, 0, 128, 0, 1, 255, 1, 1, 129}, true, true)
	f.Fuzz(func(t *testing.T, prior int32, raw []byte, injected, unanswered bool) {
		facts := Facts{Alerts: believed(prior, "a", "b")}
		for ; len(raw) >= 3; raw = raw[3:] {
			facts.Findings = append(facts.Findings, Finding{
				Text: fmt.Sprint(raw[0]), Group: []string{"", "g", "h", "i"}[raw[1]&3], Alert: []string{"a", "b", "c", ""}[raw[1]>>2&3],
				Provenance: []v1alpha1.Provenance{trusted, writable, ""}[int(raw[0])%3], Decibans: int32(int8(raw[2])),
			})
		}
		if injected {
			facts.Injection = []string{"x"}
		}
		if unanswered {
			facts.Unanswered = []string{"x"}
		}
		c := Weigh(facts)
		sum, lowered := c.Prior, false
		for i, e := range c.Evidence {
			sum += e.Weight
			lowered = lowered || e.Weight < 0
			if e.Weight < 0 && e.Provenance != trusted {
				t.Errorf("S2: %+v", e)
			}
			if e.ID != fmt.Sprintf("E%d", i+1) || abs(e.Weight) > findingCap || len([]rune(e.Note)) > 256 || len([]rune(e.Finding)) > 1024 {
				t.Errorf("out of bounds: %+v", e)
			}
		}
		if sum != c.Score {
			t.Errorf("the evidence adds up to %d, the score is %d", sum, c.Score)
		}
		dismissed := c.Verdict == v1alpha1.BenignPositive || c.Verdict == v1alpha1.FalsePositive
		if dismissed && (injected || unanswered || !lowered || c.Score > -130) {
			t.Errorf("S3: dismissed at %d", c.Score)
		}
		if dismissed == c.Escalate || c.Escalate == (c.EscalateReason == "") {
			t.Errorf("%s, escalated %v: %q", c.Verdict, c.Escalate, c.EscalateReason)
		}
	})
}
