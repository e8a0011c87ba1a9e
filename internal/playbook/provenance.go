package playbook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

// Who could have written what a condition reads is decided when it is compiled,
// from its syntax tree. A finding is Trusted only if everything below is trusted:
//
//   - A field of answer or of answers.<id>: unless its operation declares it, or
//     something above or below it, as written by an attacker; or the question's
//     arguments read what the attacker words as it likes (see steering), for then the
//     attacker chose what was looked at. answers used whole is not trusted.
//   - alert: rule, severity, techniques, source, count, firstSeen (the sensor's and
//     Git's words), actor, verb, resource, namespace (the API server's). Not trusted: title,
//     attributes and the contents of entities, actors, targets and all, since an attacker
//     names pods and users; and alert used whole.
//   - case: alerts, rules, techniques, tactics. Not trusted: actors, and case used whole.
//
// Other entities in a question's arguments only point at the object that the alert's
// source saw, so they leave its answer trusted. What lowers suspicion must besides not
// be asked, by match or when, only where untrusted text says so; that an entity is
// there at all is the source's word.
var (
	trustedAlert = []string{"rule", "severity", "techniques", "source", "count", "firstSeen", "actor", "verb", "resource", "namespace"}
	trustedCase  = []string{"alerts", "rules", "techniques", "tactics"}
)

// untrusted returns what a condition reads that is not trusted.
func (q *question) untrusted(condition *expr.Program, byID map[string]*question) []string {
	var found []string
	note := func(variable string, doubtful func(path string) bool) {
		for _, path := range condition.Reads(variable) {
			if doubtful(path) {
				found = append(found, strings.TrimSuffix(variable+"."+path, "."))
			}
		}
	}
	note("answer", q.writable)
	values := condition.ReadsValues("answers")
	note("answers", func(path string) bool {
		id, field, _ := strings.Cut(path, ".")
		other := byID[id]
		if other != nil && field == "" && !slices.Contains(values, path) {
			return other.steered // that there is an answer at all is the word of whom was asked
		}
		return other == nil || other.writable(field)
	})
	note("alert", outside(trustedAlert))
	note("case", outside(trustedCase))
	return found
}

func (w *weight) provenance() v1alpha1.Provenance {
	if len(w.untrusted) > 0 {
		return v1alpha1.ProvenanceAttackerWritable
	}
	return v1alpha1.ProvenanceTrusted
}

// Trusts says whether nobody but the tool could have written a field of the answer to a
// question, nor chosen what was asked about.
func (p *Playbook) Trusts(id, field string) bool {
	at := slices.IndexFunc(p.questions, func(q *question) bool { return q.spec.ID == id })
	return at >= 0 && !p.questions[at].writable(field)
}

func (q *question) writable(field string) bool {
	return q.steered || q.operation.AttackerWritable(field)
}

func outside(trusted []string) func(path string) bool {
	return func(path string) bool {
		first, _, _ := strings.Cut(path, ".")
		return !slices.Contains(trusted, first)
	}
}

// chosen returns the untrusted text that decides that a question is asked.
func chosen(conditions ...*expr.Program) []string {
	var found []string
	for _, condition := range conditions {
		if condition == nil {
			continue
		}
		for _, path := range condition.ReadsValues("alert") {
			if outside(trustedAlert)(path) {
				found = append(found, strings.TrimSuffix("alert."+path, ".")+" (in match or when)")
			}
		}
	}
	return found
}

// worded are the entities whose value is whatever the suspect calls itself or its
// programs: a user of a container is what its /etc/passwd says.
var worded = []v1alpha1.EntityType{v1alpha1.EntityUser, v1alpha1.EntityGroup, v1alpha1.EntityProcess, v1alpha1.EntityFile, v1alpha1.EntityURL}

// steered says whether the arguments are drawn from text that an attacker may have written.
func steered(programs []*expr.Program) bool {
	return slices.ContainsFunc(programs, func(p *expr.Program) bool {
		return slices.ContainsFunc(p.Reads("alert"), steering)
	})
}

// steering is the alert as a whole, its attributes and title, and entities that the suspect words.
func steering(path string) bool {
	first, rest, _ := strings.Cut(path, ".")
	switch first {
	case "", "attributes", "title", "all":
		return true
	case "entities", "actors", "targets":
		field, _, _ := strings.Cut(rest, ".")
		return field == "" || slices.ContainsFunc(worded, func(t v1alpha1.EntityType) bool { return t.Field() == field })
	}
	return false
}

// checkReads refuses fields that no answer has.
func (q *question) checkReads(program *expr.Program, byID map[string]*question) error {
	for _, path := range program.Reads("answer") {
		if err := q.checkField("answer", path); err != nil {
			return err
		}
	}
	return checkAnswers(program, byID)
}

func checkAnswers(program *expr.Program, byID map[string]*question) error {
	for _, path := range program.Reads("answers") {
		id, field, _ := strings.Cut(path, ".")
		if id == "" {
			continue
		}
		q := byID[id]
		if q == nil {
			return fmt.Errorf("answers.%s: no question has this id; there are %v", id, slices.Sorted(maps.Keys(byID)))
		}
		if err := q.checkField("answers."+id, field); err != nil {
			return err
		}
	}
	return nil
}

func (q *question) checkField(variable, path string) error {
	if err := q.operation.CheckResultPath(path); err != nil {
		return fmt.Errorf("%s: the result of %s/%s: %w", variable, q.spec.Use.Connector, q.spec.Use.Operation, err)
	}
	return nil
}
