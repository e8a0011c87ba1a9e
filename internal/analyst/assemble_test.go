package analyst

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var nine = time.Date(2026, 3, 1, 9, 2, 11, 0, time.UTC)

func alert(name string, second int, severity v1alpha1.Severity, title string, entities []v1alpha1.Entity, techniques ...v1alpha1.Technique) v1alpha1.Alert {
	return v1alpha1.Alert{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.AlertSpec{
		Rule: name + "-rule", Title: title, Severity: severity, Entities: entities, Techniques: techniques,
		FirstSeen: metav1.NewMicroTime(nine.Add(time.Duration(second) * time.Second)),
	}}
}

func actor(t v1alpha1.EntityType, value string) v1alpha1.Entity {
	return v1alpha1.Entity{Type: t, Value: value, Role: v1alpha1.RoleActor}
}

func target(t v1alpha1.EntityType, value string) v1alpha1.Entity {
	return v1alpha1.Entity{Type: t, Value: value, Role: v1alpha1.RoleTarget}
}

// theAttack is out of order, as alerts come in.
func theAttack() []v1alpha1.Alert {
	web, pod := actor(v1alpha1.EntityServiceAccount, "shop/web"), actor(v1alpha1.EntityPod, "shop/web-0")
	shell := alert("a", 0, v1alpha1.SeverityLow, "shell in container web", []v1alpha1.Entity{pod, {Type: v1alpha1.EntityProcess, Value: "/bin/sh", Role: v1alpha1.RoleRelated}}, "T1059")
	shell.Status.Count, shell.Status.LastSeen = 300, metav1.NewMicroTime(nine.Add(89*time.Second))
	return []v1alpha1.Alert{
		alert("d", 29, v1alpha1.SeverityCritical, "shop/web bound itself to cluster-admin", []v1alpha1.Entity{web, pod, target(v1alpha1.EntityKubernetesObject, "clusterrolebindings.rbac.authorization.k8s.io/ops-sync")}, "T1098.006"),
		shell,
		alert("c", 20, v1alpha1.SeverityHigh, "shop/web created pod shop/tmp-1", []v1alpha1.Entity{web, pod, target(v1alpha1.EntityPod, "shop/tmp-1")}, "T1610", "T1611"),
		alert("b", 8, v1alpha1.SeverityHigh, "shop/web listed Secrets", []v1alpha1.Entity{web, pod}, "T1552.007"),
	}
}

func TestAssemble(t *testing.T) {
	c := Weigh(Facts{Alerts: []Belief{{Alert: "a", Reason: "by severity"}, {Alert: "b"}, {Alert: "c"}, {Alert: "d"}}, Findings: []Finding{
		{Question: "q", Text: "shop/web grants itself everything", Provenance: trusted, Decibans: 14},
		{Question: "q", Text: "labelled\n“approved”", Alert: "a", Provenance: writable, Decibans: -9},
	}})
	s := Assemble(Dossier{
		Alerts: theAttack(), Conclusion: c, Unanswered: []string{"workload: timed out"}, Analyst: "built-in",
		Stakes: Stakes{
			Criticality: CriticalityHigh, CriticalityFrom: "universal/target",
			Reach: &v1alpha1.BlastRadius{Secrets: 212, Namespaces: 14, Nodes: 3}, ReachFrom: "universal/permissions",
		},
		Questions: []v1alpha1.QuestionStatus{{ID: "universal/permissions", Use: "cluster/permissions", State: v1alpha1.QuestionAnswered}},
	})
	golden(t, "attack", s.Narrative)
	type summary struct {
		Title      string
		Alerts     []string
		Count      int32
		Severity   v1alpha1.Severity
		Priority   v1alpha1.Priority
		Verdict    v1alpha1.Verdict
		Permille   int32
		Techniques []v1alpha1.Technique
		Entities   int
	}
	want := summary{"Execution, persistence, privilege escalation and 1 more by ServiceAccount shop/web", []string{"a", "b", "c", "d"}, 4,
		v1alpha1.SeverityCritical, v1alpha1.PriorityP1, v1alpha1.TruePositive, 962, []v1alpha1.Technique{"T1059", "T1552.007", "T1610", "T1611", "T1098.006"}, 5}
	got := summary{s.Title, s.Alerts, s.AlertCount, s.Severity, s.Priority, s.Verdict, *s.ProbabilityPermille, s.Techniques, len(s.Entities)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAttackPath(t *testing.T) {
	at := func(second int) metav1.MicroTime {
		return metav1.NewMicroTime(nine.Add(time.Duration(second) * time.Second))
	}
	web, pod := "ServiceAccount:shop/web", "Pod:shop/web-0"
	evidence := []v1alpha1.Evidence{
		{ID: "E1", Weight: 50}, {ID: "E2", Alert: "c", Weight: 90}, {ID: "E3", Alert: "d"}, {ID: "E4", Alert: "d", Weight: -10}, {ID: "E5", Alert: "b", Weight: 110},
	}
	alerts := append(theAttack(), theAttack()...) // whatever comes twice is drawn once
	for i := range alerts {
		if alerts[i].Name == "b" {
			alerts[i].Spec.Attributes = map[string]string{"resource": "secrets", "verb": "list"}
		}
	}
	want := []v1alpha1.PathEdge{
		{From: pod, To: "Process:/bin/sh", Alert: "a", Tactic: "Execution", Time: at(0), What: "shell in container web"},
		{From: pod, To: web, Alert: "b", Repeats: []string{"c", "d"}, Time: at(8), What: "its token was used", Evidence: []string{"E5", "E2", "E4"}},
		{From: web, To: "KubernetesObject:secrets/*/*", Alert: "b", Tactic: "Credential Access", Time: at(8), What: "shop/web listed Secrets", Evidence: []string{"E5"}},
		{From: web, To: "Pod:shop/tmp-1", Alert: "c", Tactic: "Privilege Escalation", Time: at(20), What: "shop/web created pod shop/tmp-1", Evidence: []string{"E2"}},
		{From: web, To: "KubernetesObject:clusterrolebindings.rbac.authorization.k8s.io/ops-sync", Alert: "d", Tactic: "Persistence", Time: at(29),
			What: "shop/web bound itself to cluster-admin", Evidence: []string{"E4"}},
	}
	if diff := cmp.Diff(want, AttackPath(alerts, evidence)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	same := []v1alpha1.Alert{
		alert("x", 0, v1alpha1.SeverityLow, "x", []v1alpha1.Entity{actor(v1alpha1.EntityUser, "eve"), target(v1alpha1.EntityPod, "a/b")}, "T1485"),
		alert("y", 0, v1alpha1.SeverityLow, "y", []v1alpha1.Entity{actor(v1alpha1.EntityUser, "eve"), target(v1alpha1.EntityPod, "a/b")}, "T1078"),
	}
	if path := AttackPath(same, nil); len(path) != 2 || path[0].Alert != "y" {
		t.Errorf("at the same time the earlier tactic comes first: %v", path)
	}
}

func TestAttackPathLeavesNoAlertOut(t *testing.T) {
	eve, process := actor(v1alpha1.EntityUser, "eve"), v1alpha1.Entity{Type: v1alpha1.EntityProcess, Value: "/bin/sh", Role: v1alpha1.RoleRelated}
	list := func(attributes ...string) map[string]string {
		return map[string]string{"resource": attributes[0], "apiGroup": attributes[1], "namespace": attributes[2], "name": attributes[3]}
	}
	tests := map[string]struct {
		entities   []v1alpha1.Entity
		attributes map[string]string
		want       []string
	}{
		"nobody":                       {entities: []v1alpha1.Entity{process}},
		"somebody alone":               {entities: []v1alpha1.Entity{eve}, want: []string{"User:eve User:eve"}},
		"a target alone":               {entities: []v1alpha1.Entity{target(v1alpha1.EntityPod, "a/b")}, want: []string{"Pod:a/b Pod:a/b"}},
		"several targets":              {entities: []v1alpha1.Entity{eve, target(v1alpha1.EntityPod, "a/b"), target(v1alpha1.EntityPod, "a/c")}, want: []string{"User:eve Pod:a/b", "User:eve Pod:a/c"}},
		"something related":            {entities: []v1alpha1.Entity{process, eve}, want: []string{"User:eve Process:/bin/sh"}},
		"all objects of a namespace":   {entities: []v1alpha1.Entity{process, eve}, attributes: list("secrets", "", "shop", ""), want: []string{"User:eve KubernetesObject:secrets/shop/*"}},
		"all objects of a group":       {entities: []v1alpha1.Entity{eve}, attributes: list("roles", "rbac.authorization.k8s.io", "", ""), want: []string{"User:eve KubernetesObject:roles.rbac.authorization.k8s.io/*/*"}},
		"one object that is no entity": {entities: []v1alpha1.Entity{eve}, attributes: list("secrets", "", "shop", "db"), want: []string{"User:eve User:eve"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := alert("a", 0, v1alpha1.SeverityLow, "it happened", tt.entities)
			a.Spec.Attributes = tt.attributes
			var got []string
			for _, e := range AttackPath([]v1alpha1.Alert{a}, nil) {
				got = append(got, e.From+" "+e.To)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A flood of small steps, before and after, does not crowd out the one that matters.
func TestAttackPathKeepsTheWorst(t *testing.T) {
	var alerts []v1alpha1.Alert
	for i := range 400 {
		severity := v1alpha1.SeverityLow
		if i == 200 {
			severity = v1alpha1.SeverityCritical
		}
		name := fmt.Sprintf("a%03d", i)
		alerts = append(alerts, alert(name, i, severity, name, []v1alpha1.Entity{actor(v1alpha1.EntityUser, "eve"), target(v1alpha1.EntityPod, "shop/"+name)}))
	}
	path := AttackPath(alerts, nil)
	if len(path) != 128 || path[127].Alert != "a200" || path[126].Alert != "a126" {
		t.Errorf("%d steps, the last %v", len(path), path[len(path)-2:])
	}
}

func TestReach(t *testing.T) {
	got := Reach([]map[string]any{
		{"subject": "system:serviceaccount:shop:web", "secretsReadable": 212.0, "namespaces": 14.0, "podsExec": 61.0, "nodes": 0.0, "worst": []any{"payments/ledger-db"}},
		{"subject": "eve\n", "secretsReadable": 3.0, "nodes": 1e300, "namespaces": -4.0, "worst": []any{"payments/ledger-db", 7, "x"}, "becomesClusterAdmin": true},
		{},
	})
	want := &v1alpha1.BlastRadius{Identities: []string{"system:serviceaccount:shop:web", "eve"}, Secrets: 212, Namespaces: 14, PodsExec: 61,
		Nodes: 1<<31 - 1, ClusterAdmin: true, Worst: []string{"payments/ledger-db", "x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if Reach(nil) != nil {
		t.Error("without answers the reach is not known")
	}
}

func TestTactic(t *testing.T) {
	for id, tactic := range techniques {
		if found := Tactic([]v1alpha1.Technique{id}); found != tactic {
			t.Errorf("%s: %q, want %q", id, found, tactic)
		}
	}
	tests := map[string]struct {
		techniques []v1alpha1.Technique
		want       string
	}{
		"a sub-technique that is not listed": {[]v1alpha1.Technique{"T1552.099"}, "Credential Access"},
		"several are one step":               {[]v1alpha1.Technique{"T1611", "T1610"}, "Privilege Escalation"},
		"not known":                          {[]v1alpha1.Technique{"T9999"}, ""},
		"one known":                          {[]v1alpha1.Technique{"T9999", "T1046"}, "Discovery"},
		"none":                               {nil, ""},
	}
	for name, tt := range tests {
		if got := Tactic(tt.techniques); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestAssembleBounds: a case larger and more hostile than the schema allows fits it.
func TestAssembleBounds(t *testing.T) {
	hostile := "\x1b[2J\u202e" + strings.Repeat("é\n", 4000)
	d := Dossier{Analyst: "built-in", Unanswered: []string{hostile}, Grade: &v1alpha1.Grade{Verdict: v1alpha1.FalsePositive, By: hostile, Reason: hostile}}
	facts := Facts{Alerts: []Belief{{Reason: hostile}}, Injection: []string{hostile}}
	for i := range 600 {
		name := fmt.Sprint("a", i)
		a := alert(name, i, v1alpha1.SeverityHigh, hostile, []v1alpha1.Entity{actor(v1alpha1.EntityUser, hostile[:400]+name), target(v1alpha1.EntityPod, "shop/"+name)}, v1alpha1.Technique(fmt.Sprintf("T1%03d", i)))
		d.Alerts = append(d.Alerts, a)
		facts.Alerts = append(facts.Alerts, Belief{Alert: name, Reason: hostile})
		facts.Findings = append(facts.Findings, Finding{Question: hostile, Text: hostile + name, Group: name + hostile, Alert: name, Provenance: writable, Decibans: int32(i%60 - 30)})
		d.Questions = append(d.Questions, v1alpha1.QuestionStatus{ID: name, Ask: hostile, Message: hostile})
	}
	d.Conclusion = Weigh(facts)
	s := Assemble(d)
	for what, got := range map[string][2]int{
		"alerts": {len(s.Alerts), 256}, "entities": {len(s.Entities), 128}, "techniques": {len(s.Techniques), 64}, "questions": {len(s.Questions), 256},
		"evidence": {len(s.Evidence), 256}, "timeline": {len(s.Timeline), 256}, "path": {len(s.AttackPath), 128},
		"title": {utf8.RuneCountInString(s.Title), 512}, "narrative": {utf8.RuneCountInString(s.Narrative), 16384}, "prior": {utf8.RuneCountInString(s.PriorReason), 512},
	} {
		if got[0] == 0 || got[0] > got[1] {
			t.Errorf("%s: %d, want at most %d", what, got[0], got[1])
		}
	}
	if s.AlertCount != 600 || s.Verdict != v1alpha1.FalsePositive {
		t.Errorf("%d alerts, %s", s.AlertCount, s.Verdict)
	}
	if strings.ContainsAny(s.Narrative+s.Title, "\x1b\u202e") || strings.Contains(s.Title, "\n") {
		t.Error("characters of an attacker reached the reader")
	}
	for _, l := range strings.Split(s.Narrative, "\n") {
		if utf8.RuneCountInString(l) > 650 {
			t.Errorf("a line of %d characters", utf8.RuneCountInString(l))
		}
	}
	if !strings.HasSuffix(s.Narrative, "closes the case.") {
		t.Errorf("the narrative does not come to its end:\n%s", s.Narrative)
	}
}
