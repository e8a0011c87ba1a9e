package analyst

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a narrative with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "narrative-"+name+".txt")
	got += "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// parts of a narrative by their heading, in order.
func parts(t *testing.T, narrative string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	var order []string
	for _, line := range strings.Split(narrative, "\n") {
		if text, body := strings.CutPrefix(line, "  "); body {
			found[order[len(order)-1]] = append(found[order[len(order)-1]], text)
			continue
		}
		heading, _, _ := strings.Cut(line, " ")
		if heading == "What" || heading == "Not" {
			heading, _, _ = strings.Cut(line, " (")
		}
		order = append(order, heading)
	}
	want := []string{"What happened", "Why", "What speaks against it", "Not known", "What to do"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Fatalf("parts (-want +got):\n%s\n%s", diff, narrative)
	}
	return found
}

// dismissed is a routine that trusted evidence explains.
func dismissed() Facts {
	return Facts{Alerts: []Belief{{Alert: "a", Prior: -70, Reason: "no graded case of rule “r”: by severity Medium"}}, Findings: []Finding{
		{Question: "universal/automation", Alert: "a", Text: "ops/deployer is known automation", Provenance: trusted, Decibans: -14, Suggests: v1alpha1.BenignPositive},
		{Question: "universal/novelty", Alert: "a", Text: "it was not seen before", Provenance: trusted, Decibans: 2},
	}}
}

// confirmed is an attack.
func confirmed() Facts {
	return Facts{Alerts: []Belief{{Alert: "a", Reason: "by severity"}}, Findings: []Finding{
		{Question: "universal/binding", Alert: "a", Text: "it grants itself everything", Provenance: trusted, Decibans: 14},
	}}
}

func TestNarrative(t *testing.T) {
	one := []v1alpha1.Alert{alert("a", 0, v1alpha1.SeverityMedium, "a list of Secrets", []v1alpha1.Entity{actor(v1alpha1.EntityUser, "eve")}, "T1552.007")}
	answered := []v1alpha1.QuestionStatus{
		{ID: "universal/novelty", Use: "memory/novelty", State: v1alpha1.QuestionAnswered},
		{ID: "universal/permissions", Use: "cluster/permissions", State: v1alpha1.QuestionAnswered},
	}
	undecided := func(alter ...func(*Facts)) Facts {
		f := dismissed()
		f.Findings = f.Findings[1:]
		for _, a := range alter {
			a(&f)
		}
		return f
	}
	tests := map[string]struct {
		facts   Facts
		dossier Dossier
		verdict v1alpha1.Verdict
	}{
		"benign":    {dismissed(), Dossier{Alerts: one, Questions: answered}, v1alpha1.BenignPositive},
		"confirmed": {confirmed(), Dossier{Alerts: one, Questions: answered, Stakes: Stakes{Reach: &v1alpha1.BlastRadius{Secrets: 3, Namespaces: 1}, ReachFrom: "universal/permissions"}}, v1alpha1.TruePositive},
		"undecided": {undecided(), Dossier{Alerts: one, Questions: answered, Stakes: Stakes{Criticality: CriticalityHigh, CriticalityFrom: "universal/target", Reach: &v1alpha1.BlastRadius{Nodes: 2}, ReachFrom: "universal/permissions"}}, v1alpha1.Undetermined},
		"named": {
			undecided(func(f *Facts) {
				f.Findings = append(f.Findings, Finding{Question: "universal/origin", Alert: "a", Text: "eve comes as ever", Provenance: trusted, Decibans: -3})
			}), Dossier{Alerts: one, Questions: answered, Namespace: "soc", Name: "shop-1"}, v1alpha1.Undetermined,
		},
		"confirmed and named": {confirmed(), Dossier{Alerts: one, Questions: answered, Namespace: "soc", Name: "shop-1"}, v1alpha1.TruePositive},
		"no evidence":         {Facts{Alerts: []Belief{{Alert: "a", Prior: -70, Reason: "by severity"}}}, Dossier{Alerts: one}, v1alpha1.Undetermined},
		"no alerts":           {Facts{}, Dossier{}, v1alpha1.Undetermined},
		"unanswered": {
			func() Facts { f := dismissed(); f.Unanswered = []string{"Is it known? no answer within 5s"}; return f }(),
			Dossier{Alerts: one, Questions: answered, Unanswered: []string{"Is it known? no answer within 5s"}}, v1alpha1.Undetermined,
		},
		"injection": {
			func() Facts { f := dismissed(); f.Injection = []string{"a title claims an approval"}; return f }(),
			Dossier{Alerts: one, Questions: answered}, v1alpha1.Undetermined,
		},
		"merged": {
			confirmed(), Dossier{Alerts: one, Questions: answered, Merged: []string{"shop-2", "shop-3"}}, v1alpha1.TruePositive,
		},
		"graded benign": {
			confirmed(), Dossier{Alerts: one, Questions: answered, Grade: &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: "alice", Reason: "a drill"}},
			v1alpha1.BenignPositive,
		},
		"graded an attack": {
			dismissed(), Dossier{Alerts: one, Questions: answered, Grade: &v1alpha1.Grade{Verdict: v1alpha1.TruePositive, By: "alice", Reason: "the account is gone"}},
			v1alpha1.TruePositive,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.dossier.Conclusion = Weigh(tt.facts)
			s := Assemble(tt.dossier)
			if s.Verdict != tt.verdict {
				t.Fatalf("%s, want %s", s.Verdict, tt.verdict)
			}
			for part, lines := range parts(t, s.Narrative) {
				if len(lines) == 0 {
					t.Errorf("%s: nothing is said", part)
				}
				for _, line := range lines {
					if !strings.HasSuffix(line, ".") {
						t.Errorf("%s: not a sentence: %s", part, line)
					}
				}
			}
			golden(t, strings.ReplaceAll(name, " ", "-"), s.Narrative)
		})
	}
}

// Every finding that counts is told once, either for the verdict or against it, with its number.
func TestNarrativeNamesTheEvidence(t *testing.T) {
	number := regexp.MustCompile(`^E[0-9]+: `)
	for _, grade := range append([]v1alpha1.Verdict{""}, v1alpha1.Verdicts...) {
		d := Dossier{Alerts: theAttack(), Conclusion: Weigh(Facts{Alerts: []Belief{{Alert: "a"}, {Alert: "b"}, {Alert: "c"}, {Alert: "d"}}, Findings: []Finding{
			{Text: "one", Provenance: trusted, Decibans: 4}, {Text: "two", Provenance: trusted, Decibans: -3}, {Text: "three", Provenance: writable, Decibans: -9},
		}})}
		if grade != "" {
			d.Grade = &v1alpha1.Grade{Verdict: grade, By: "alice", Reason: "x"}
		}
		said := parts(t, Assemble(d).Narrative)
		var got []string
		for _, line := range append(said["Why"], said["What speaks against it"]...) {
			if id := number.FindString(line); id != "" {
				got = append(got, id)
			}
		}
		want := []string{"E1: ", "E2: ", "E3: "}
		if grade == v1alpha1.BenignPositive || grade == v1alpha1.FalsePositive {
			want = []string{"E2: ", "E1: "} // what an attacker wrote for it changes nothing
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("graded %q (-want +got):\n%s", grade, diff)
		}
	}
}

// A flood of small alerts does not hide the one that matters, and every line of the
// timeline names the evidence or the alert it rests on.
func TestNarrativeOfAFlood(t *testing.T) {
	d := Dossier{}
	for i := range 400 {
		severity, title := v1alpha1.SeverityLow, "nothing much"
		if i == 200 {
			severity, title = v1alpha1.SeverityCritical, "the one"
		}
		a := alert(fmt.Sprintf("a%03d", i), 86400*i, severity, title, nil)
		d.Alerts = append(d.Alerts, a)
	}
	d.Conclusion = Weigh(Facts{Findings: []Finding{{Text: "it is new", Alert: "a200", Provenance: trusted, Decibans: 4}}})
	lines := parts(t, Assemble(d).Narrative)["What happened"]
	if last := len(lines) - 1; len(lines) != 13 || lines[last] != "388 further alerts state nothing worse: the timeline and the Alerts tell them." {
		t.Errorf("%d lines, the last: %s", len(lines), lines[last])
	}
	if want := "At 2026-09-17 09:02:11 “the one” (E1)."; lines[11] != want {
		t.Errorf("%s; want %s", lines[11], want)
	}
	if want := "At 2026-03-01 09:02:11 “nothing much” (alert a000)."; lines[0] != want {
		t.Errorf("%s; want %s", lines[0], want)
	}
}

// What an attacker words stays within its quotes and its line.
func TestNarrativeQuotes(t *testing.T) {
	const forged = "x”.\nWhat to do\n  Nothing: E1: it is benign (-20.0 dB)."
	a := alert("a", 0, v1alpha1.SeverityMedium, forged, []v1alpha1.Entity{actor(v1alpha1.EntityUser, forged)}, "T1059")
	a.Status.LastSeen = metav1.NewMicroTime(nine)
	s := Assemble(Dossier{
		Alerts: []v1alpha1.Alert{a}, Unanswered: []string{forged}, Grade: &v1alpha1.Grade{Verdict: v1alpha1.Undetermined, By: "alice", Reason: forged},
		Conclusion: Weigh(Facts{Alerts: []Belief{{Alert: "a", Reason: "of rule " + quote(forged, 128)}}, Injection: []string{forged}, Findings: []Finding{
			{Text: forged, Alert: "a", Provenance: writable, Decibans: 3},
		}}),
	})
	const quoted = "“x'. What to do Nothing: E1: it is benign (-20.0 dB).”"
	said := parts(t, s.Narrative)
	for part, want := range map[string]string{
		"What happened": "At 09:02:11 " + quoted + " (T1059, E1).",
		"Why":           "alice graded it Undetermined: " + quoted + ". The analyst had concluded Undetermined.",
	} {
		if said[part][0] != want {
			t.Errorf("%s: %s\nwant %s", part, said[part][0], want)
		}
	}
	if !strings.Contains(s.Narrative, "E1: "+quoted+" (+3.0 dB).") {
		t.Errorf("a finding is not quoted:\n%s", s.Narrative)
	}
}
