package analyst

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// FuzzAssemble: whatever alerts, answers and grades say, a case is built, the same each
// time, within the bounds of its schema and without a character that could write a terminal.
func FuzzAssemble(f *testing.F) {
	f.Add("Shell in container", "sh -c \x1b[2J", "shop/web-0", "T1059", []byte{1, 2, 3, 200, 5, 6}, int64(0))
	f.Add("\xff\u202e“”", strings.Repeat("é\n", 600), "", "T9999", []byte{255, 0, 128}, int64(1)<<60)
	f.Fuzz(func(t *testing.T, title, text, entity, technique string, raw []byte, seconds int64) {
		d := Dossier{Analyst: text, Unanswered: []string{text}}
		facts := Facts{Injection: Injection(map[string]string{"text": text})}
		for i := 0; len(raw) >= 3 && i < 300; raw, i = raw[3:], i+1 {
			name := fmt.Sprint("a", i)
			spec := v1alpha1.AlertSpec{
				Title: title, Rule: text, Severity: []v1alpha1.Severity{v1alpha1.SeverityLow, v1alpha1.SeverityFatal, v1alpha1.Severity(entity)}[raw[0]%3],
				FirstSeen: metav1.NewMicroTime(time.Unix(seconds%(1<<33)+int64(raw[1]), 0)), Techniques: []v1alpha1.Technique{v1alpha1.Technique(technique), "T1611"},
				Attributes: map[string]string{"user": text, "verb": entity, "proc.cmdline": text, "fd.name": title},
				Entities: []v1alpha1.Entity{
					{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleActor, Value: entity}, {Type: v1alpha1.EntityType(title), Role: v1alpha1.EntityRole(text), Value: fmt.Sprint(entity, i)},
				},
			}
			d.Alerts = append(d.Alerts, v1alpha1.Alert{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec, Status: v1alpha1.AlertStatus{Count: int64(int8(raw[2]))}})
			facts.Alerts = append(facts.Alerts, Belief{Alert: name, Prior: int32(int8(raw[0])), Reason: text})
			facts.Findings = append(facts.Findings, Finding{Question: title, Text: text, Group: entity, Alert: name, Provenance: v1alpha1.Provenance(title), Decibans: int32(int8(raw[2]))})
			d.Questions = append(d.Questions, v1alpha1.QuestionStatus{ID: name, Ask: text, Message: title})
			d.Beside = Beside([]map[string]any{{"events": []any{map[string]any{"at": entity, "actor": text, "verb": title, "resource": entity, "name": text, "code": int64(raw[1])}}}}, d.Alerts)
			d.Known = Known([]map[string]any{{"found": true, "pod": entity, "worst": []any{map[string]any{"id": text}}}}, nil, []map[string]any{{"pod": text, "outside": title}})
		}
		d.Conclusion = Weigh(facts)
		s := Assemble(d)
		if diff := cmp.Diff(s, Assemble(d)); diff != "" {
			t.Errorf("built again it differs:\n%s", diff)
		}
		for what, got := range map[string][2]int{
			"alerts": {len(s.Alerts), maxAlerts}, "entities": {len(s.Entities), maxEntities}, "techniques": {len(s.Techniques), maxTechniques}, "questions": {len(s.Questions), maxQuestions},
			"evidence": {len(s.Evidence), maxEvidence}, "timeline": {len(s.Timeline), maxTimeline}, "path": {len(s.AttackPath), maxPath},
			"title": {utf8.RuneCountInString(s.Title), maxTitle}, "narrative": {utf8.RuneCountInString(s.Narrative), maxNarrative},
			"prior": {utf8.RuneCountInString(s.PriorReason), 512},
		} {
			if got[0] > got[1] {
				t.Errorf("%s: %d, want at most %d", what, got[0], got[1])
			}
		}
		for _, e := range s.Timeline {
			if n := utf8.RuneCountInString(e.What); n == 0 || n > 512 || e.Count < 1 {
				t.Errorf("timeline: %+v", e)
			}
		}
		shown := s.Title + s.Narrative + s.PriorReason + s.PriorityReason + s.SeverityReason + s.IntentReason
		if !utf8.ValidString(shown) || strings.ContainsFunc(shown, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }) {
			t.Errorf("characters of an attacker reached the reader: %q", shown)
		}
	})
}
