package analyst

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Dossier is everything that a case consists of.
type Dossier struct {
	// Alerts in any order.
	Alerts []v1alpha1.Alert
	// Questions that were asked, and how they ended.
	Questions  []v1alpha1.QuestionStatus
	Conclusion Conclusion
	// Beside is what the actors did that no alert is about, in words.
	Beside []string
	// Known is what other tools know of the pods in the case, in words.
	Known []string
	// Unanswered names what is not known, in words.
	Unanswered []string
	// Stakes of the case.
	Stakes Stakes
	// Memories are how far back what was asked for remembers.
	Memories []Memory
	// Namespace and Name of the case, to grade it by.
	Namespace, Name string
	// Merged names the cases whose alerts are counted here as well.
	Merged []string
	// Analyst that concluded.
	Analyst string
	// Grade of a human, which is the verdict if there is one.
	Grade *v1alpha1.Grade
}

// Assemble writes the case: every field of the status but conditions, observedGeneration,
// actions and the times of opening, concluding and closing.
func Assemble(d Dossier) v1alpha1.InvestigationStatus {
	d.Alerts = oldestFirst(d.Alerts)
	c := d.Conclusion
	s := v1alpha1.InvestigationStatus{
		Title: Title(d.Alerts), AlertCount: int32(len(d.Alerts)), Entities: entitiesOf(d.Alerts), Techniques: techniquesOf(d.Alerts),
		Verdict: c.Verdict, AnalystVerdict: c.Verdict, ProbabilityPermille: &c.ProbabilityPermille, Score: &c.Score, Prior: &c.Prior, PriorReason: c.PriorReason,
		Evidence: c.Evidence, Questions: boundQuestions(d.Questions), Timeline: Timeline(d.Alerts), AttackPath: AttackPath(d.Alerts, c.Evidence),
		BlastRadius: d.Stakes.Reach, Analyst: d.Analyst,
	}
	for _, a := range d.Alerts[:min(len(d.Alerts), maxAlerts)] {
		s.Alerts = append(s.Alerts, a.Name)
	}
	if d.Grade != nil {
		s.Verdict = d.Grade.Verdict
	}
	s.Severity, s.SeverityReason = reasoned(Severity(d.Alerts, s.Verdict, d.Stakes))
	s.Intent, s.IntentReason = reasoned(Intent(d.Alerts, s.Verdict, d.Stakes))
	s.Priority, s.PriorityReason = reasoned(Priority(c, d.Grade, s.Severity, d.Stakes))
	s.Narrative = narrative(d, s)
	return s
}

// reasoned bounds the reason of what was concluded.
func reasoned[T any](what T, reason string) (T, string) { return what, Plain(reason, maxReason) }

// Title says in one line what the case is about: a single alert in its own words,
// several by what they amount to and who did it.
func Title(alerts []v1alpha1.Alert) string {
	if len(alerts) == 0 {
		return "A case without alerts"
	}
	alerts = oldestFirst(alerts)
	worst := worstOf(alerts)
	named := tacticsOf(alerts)
	if len(alerts) == 1 || len(named) == 0 {
		return cmp.Or(Plain(worst.Spec.Title, maxTitle), Plain(worst.Spec.Rule, maxTitle))
	}
	title := strings.ToLower(and(named, 3))
	title = strings.ToUpper(title[:1]) + title[1:]
	if actor := actorOf(worst.Spec.Entities); actor != nil {
		title += fmt.Sprintf(" by %s %s", actor.Type, Plain(actor.Value, 256))
	}
	return Plain(title, maxTitle)
}

// tacticsOf the alerts, in the order of an attack.
func tacticsOf(alerts []v1alpha1.Alert) []string {
	seen := map[string]bool{}
	for _, a := range alerts {
		seen[Tactic(a.Spec.Techniques)] = true
	}
	return slices.DeleteFunc(slices.Clone(tactics), func(t string) bool { return !seen[t] })
}

// and joins words: "a, b and c"; beyond most it counts the rest.
func and(words []string, most int) string {
	if len(words) > most {
		rest := len(words) - most
		words = append(slices.Clone(words[:most]), fmt.Sprintf("%d more", rest))
	}
	last := len(words) - 1
	if last <= 0 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// entitiesOf the alerts, each once in its most telling role.
func entitiesOf(alerts []v1alpha1.Alert) []v1alpha1.Entity {
	var found []v1alpha1.Entity
	for _, role := range []v1alpha1.EntityRole{v1alpha1.RoleActor, v1alpha1.RoleTarget, v1alpha1.RoleRelated, ""} {
		for _, a := range alerts {
			for _, e := range a.Spec.Entities {
				known := slices.ContainsFunc(found, func(f v1alpha1.Entity) bool { return f.Type == e.Type && f.Value == e.Value })
				if e.Role == role && !known && len(found) < maxEntities {
					found = append(found, e)
				}
			}
		}
	}
	return found
}

func techniquesOf(alerts []v1alpha1.Alert) []v1alpha1.Technique {
	var found []v1alpha1.Technique
	for _, a := range alerts {
		for _, t := range a.Spec.Techniques {
			if !slices.Contains(found, t) && len(found) < maxTechniques {
				found = append(found, t)
			}
		}
	}
	return found
}

func boundQuestions(questions []v1alpha1.QuestionStatus) []v1alpha1.QuestionStatus {
	bounded := slices.Clone(questions[:min(len(questions), maxQuestions)])
	for i := range bounded {
		q := &bounded[i]
		q.Ask, q.Message = Plain(q.Ask, 512), Plain(q.Message, 1024)
	}
	return bounded
}
