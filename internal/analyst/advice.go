package analyst

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Memory is how many hours what a question compares with goes back.
type Memory struct {
	Question string
	Hours    int32
}

// youngMemory in hours: what comes every week is new to it.
const youngMemory = 168

// MemoryOf a question, if its answer says how far back it goes.
func MemoryOf(question string, answer map[string]any) (m Memory, says bool) {
	hours, says := answer["baselineHours"]
	return Memory{question, count(hours)}, says
}

// notKnown tells which questions failed, and what the others could not tell.
func notKnown(d Dossier) []string {
	var lines []string
	for _, u := range d.Unanswered {
		lines = append(lines, Plain(u, 360)+".")
	}
	if len(d.Questions) == 0 {
		if len(lines) == 0 {
			lines = append(lines, "Everything except the alerts: no question was asked.")
		}
		return lines
	}
	left := limits(d)
	switch {
	case len(lines) == 0 && len(left) == 0:
		lines = append(lines, fmt.Sprintf("Nothing that was asked: all %d questions were answered.", len(d.Questions)))
	case len(lines) == 0:
		lines = append(lines, fmt.Sprintf("All %d questions were answered, and leave this open.", len(d.Questions)))
	}
	return append(lines, left...)
}

// limits of what was answered.
func limits(d Dossier) []string {
	var lines []string
	if reach := d.Stakes.Reach; reach == nil {
		lines = append(lines, "How far the identities reach: no question told.")
	} else if nothing(reach) && !reach.ClusterAdmin && slices.ContainsFunc(d.Alerts, acted) {
		lines = append(lines, "How far the identities reach: RBAC as read opens them no Secret, change, command or node, and yet they acted; groups of people and other authorizers are not read"+cite(d.Stakes.ReachFrom)+".")
	}
	if d.Stakes.Criticality == "" {
		lines = append(lines, "How critical the targets are: none states it by its label "+v1alpha1.LabelCriticality+".")
	}
	var young []string
	for _, m := range d.Memories {
		if m.Hours < youngMemory {
			young = append(young, fmt.Sprintf("%s %s", Plain(m.Question, 64), several(m.Hours, "hour")))
		}
	}
	if len(young) > 0 {
		lines = append(lines, "What is usual: to a young memory much is new ("+strings.Join(young[:min(len(young), 8)], ", ")+").")
	}
	return lines
}

// acted: the API server did what somebody asked of it.
func acted(a v1alpha1.Alert) bool {
	return a.Spec.Attributes["user"] != "" && a.Spec.Attributes["code"] < "400"
}

// unspoken names the alerts that state the highest severity and that no evidence speaks
// about, and what covers them.
func unspoken(alerts []v1alpha1.Alert, evidence []v1alpha1.Evidence) []string {
	worst := worstOf(alerts)
	if worst == nil || len(alerts) < 2 || len(evidence) == 0 {
		return nil
	}
	counts := counting(evidence)
	var how []string
	by := map[string][]string{}
	for _, a := range alerts {
		if a.Spec.Severity.Rank() != worst.Spec.Severity.Rank() || len(counts[a.Name]) > 0 {
			continue
		}
		words := covered(a.Name, evidence)
		if by[words] == nil {
			how = append(how, words)
		}
		by[words] = append(by[words], "alert "+Plain(a.Name, 100))
	}
	var lines []string
	for _, words := range how[:min(len(how), 4)] {
		lines = append(lines, fmt.Sprintf("No evidence counts apart for %s (%s): %s.", and(by[words], 4), worst.Spec.Severity, words))
	}
	return lines
}

// covered says where what was found about an alert is told.
func covered(alert string, evidence []v1alpha1.Evidence) string {
	var with, void []string
	for _, e := range evidence {
		if e.Alert != alert {
			continue
		}
		if other, once := strings.CutPrefix(e.Note, countedOnce); once {
			with = append(with, other)
		} else {
			void = append(void, e.ID)
		}
	}
	slices.Sort(with)
	with = slices.Compact(with)
	switch {
	case len(with) > 0:
		return "what was found is counted once with " + and(with, 4)
	case len(void) > 0:
		return "what was found, " + and(void, 4) + ", has no weight"
	}
	return "nothing was found that is not said of another alert"
}

// toDo is what a person should do next, and how.
func toDo(d Dossier, s v1alpha1.InvestigationStatus) []string {
	grade := "kubectl soc grade" + named(d) + " --verdict "
	switch {
	case d.Grade != nil:
		return []string{"Nothing more is awaited; spec.state: Closed closes the case."}
	case s.Verdict == v1alpha1.TruePositive:
		return []string{
			"Approve or deny the proposed actions (kubectl soc pending" + inNamespace(d) + ").",
			"Then grade the case as what it was (" + grade + "VERDICT).",
		}
	case d.Conclusion.Escalate:
		return append([]string{"A human decides: " + Plain(d.Conclusion.EscalateReason, 480) + "."},
			append(settling(s.Evidence), "Then grade the case as what it was ("+grade+"VERDICT).")...)
	}
	return []string{"Nothing: the case closes by itself. If that is wrong, grade it, and the next one will be judged by it (" + grade + "TruePositive)."}
}

// settling names what decides the case once it is explained or refuted.
func settling(evidence []v1alpha1.Evidence) []string {
	var suspicious, innocent string
	for _, e := range byWeight(evidence) {
		text := func(which string) string {
			return fmt.Sprintf("%s, the strongest %s an attack (%s)", e.ID, which, found(e, 160))
		}
		switch {
		case e.Weight > 0:
			suspicious = cmp.Or(suspicious, text("for"))
		case e.Weight < 0:
			innocent = cmp.Or(innocent, text("against"))
		}
	}
	var lines []string
	if suspicious != "" {
		lines = append(lines, "It would be settled by an innocent explanation of "+suspicious+".")
	}
	if innocent != "" {
		lines = append(lines, "It would be settled, the other way, by what refutes "+innocent+".")
	}
	if len(lines) == 0 {
		lines = append(lines, "It would be settled by the word of who did it, or of who owns what it was done to.")
	}
	return lines
}

// named is the case as an argument of kubectl soc, if its name is known.
func named(d Dossier) string {
	if d.Name == "" {
		return " NAME"
	}
	return inNamespace(d) + " " + Plain(d.Name, 253)
}

func inNamespace(d Dossier) string {
	if d.Namespace == "" {
		return ""
	}
	return " -n " + Plain(d.Namespace, 63)
}
