package playbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/check"
)

// RunTests runs the playbook's own tests, whatever its mode. The error names each
// test that does not pass, what was expected and what came out.
func (p *Playbook) RunTests() error {
	var errs []error
	for i, test := range p.Tests() {
		if test.Err != nil {
			errs = append(errs, fmt.Errorf("spec.tests[%s]: %w", p.tests[i].Name, test.Err))
		}
	}
	return errors.Join(errs...)
}

// Tests runs the playbook's own tests and returns the result of each.
func (p *Playbook) Tests() []check.Test {
	results := make([]check.Test, 0, len(p.tests))
	for i, test := range p.tests {
		began := time.Now()
		err := p.run(test)
		results = append(results, check.Test{Name: test.Name, Path: fmt.Sprintf("spec.tests[%d]", i), Err: err, Took: time.Since(began)})
	}
	return results
}

func (p *Playbook) run(test v1alpha1.PlaybookTest) error {
	spec, format, err := testAlert(test.Alert)
	if err != nil {
		return err
	}
	answers, err := p.testAnswers(test)
	if err != nil {
		return err
	}
	context := Context{Alert: NewAlert(&v1alpha1.Alert{Spec: spec}, format), Case: NewCase([]v1alpha1.AlertSpec{spec}), Answers: answers}
	verdict, proposed, err := p.play(spec, context)
	if err != nil {
		return err
	}
	switch want := test.Expect.Verdict; {
	case want != "" && verdict == "":
		return fmt.Errorf("expect.verdict: expected %s, got none: the playbook does not match the alert", want)
	case want != "" && verdict != want:
		return fmt.Errorf("expect.verdict: expected %s, got %s", want, verdict)
	}
	want := slices.Sorted(slices.Values(test.Expect.Actions))
	if !slices.Equal(want, proposed) {
		return fmt.Errorf("expect.actions: expected %v, got %v", want, proposed)
	}
	return nil
}

// play investigates an alert with given answers. Where the playbook does not match
// there is no verdict.
func (p *Playbook) play(spec v1alpha1.AlertSpec, context Context) (v1alpha1.Verdict, []string, error) {
	matches, err := p.Matches(context.Alert)
	if err != nil || !matches {
		return "", nil, err
	}
	asks, errs := p.Questions(context.Alert)
	belief := analyst.Believe("", analyst.RuleHistory{Rule: spec.Rule, Severity: spec.Severity})
	facts := analyst.Facts{Alerts: []analyst.Belief{belief}, Injection: analyst.Injection(spec.Attributes)}
	asked := Answers{}
	for _, ask := range asks {
		if err := p.fits(ask); err != nil {
			errs = append(errs, err)
		}
		asked[ask.Question] = context.Answers[ask.Question]
	}
	context.Answers = asked
	for _, ask := range asks {
		findings, failed := p.findings(ask, context)
		facts.Findings = append(facts.Findings, findings...)
		errs = append(errs, failed...)
	}
	conclusion := analyst.Weigh(facts)
	context.Verdict, context.Probability = conclusion.Verdict, float64(conclusion.ProbabilityPermille)/1000
	proposals, failed := p.proposals(context)
	errs = append(errs, failed...)
	var ids []string
	for _, proposal := range proposals {
		if err := p.proposalFits(proposal); err != nil {
			errs = append(errs, err)
		}
		ids = append(ids, proposal.ID)
	}
	slices.Sort(ids)
	return conclusion.Verdict, ids, errors.Join(errs...)
}

func (p *Playbook) fits(ask Ask) error {
	for _, q := range p.questions {
		if q.spec.ID != ask.Question {
			continue
		}
		if err := q.operation.ValidateArguments(ask.Arguments); err != nil {
			return fmt.Errorf("question %s: %w", ask.Question, err)
		}
	}
	return nil
}

func (p *Playbook) proposalFits(proposal Proposal) error {
	for _, a := range p.actions {
		if a.spec.ID != proposal.ID {
			continue
		}
		if err := a.operation.ValidateArguments(proposal.Arguments); err != nil {
			return fmt.Errorf("action %s: %w", proposal.ID, err)
		}
	}
	return nil
}

// testTime is when alerts of tests happen.
var testTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// testAlert is the alert of a test. Entities whose name starts with actors. or
// targets. have that role; with the attribute user the alert counts as one of an audit event.
func testAlert(t v1alpha1.TestAlert) (v1alpha1.AlertSpec, v1alpha1.AlertFormat, error) {
	spec := v1alpha1.AlertSpec{
		Source: "test", Rule: t.Rule, Title: t.Title, Severity: t.Severity, Techniques: t.Techniques, Attributes: maps.Clone(t.Attributes),
		FirstSeen: metav1.NewMicroTime(testTime),
	}
	if spec.Title == "" {
		spec.Title = t.Rule
	}
	if spec.Severity == "" {
		spec.Severity = v1alpha1.SeverityMedium
	}
	format := v1alpha1.FormatGeneric
	for _, name := range slices.Sorted(maps.Keys(t.Entities)) {
		e := v1alpha1.Entity{Value: t.Entities[name], Role: v1alpha1.RoleRelated}
		field, prefix := name, ""
		if before, after, found := strings.Cut(name, "."); found {
			prefix, field = before, after
		}
		switch prefix {
		case "":
		case "actors":
			e.Role = v1alpha1.RoleActor
		case "targets":
			e.Role = v1alpha1.RoleTarget
		default:
			return spec, format, fmt.Errorf("alert.entities.%s: expected a type such as pod, or actors.pod or targets.pod", name)
		}
		if e.Type = entityType(field); e.Type == "" {
			return spec, format, fmt.Errorf("alert.entities.%s: there is no such type; there are %v", name, fields())
		}
		spec.Entities = append(spec.Entities, e)
	}
	if spec.Attributes["user"] != "" {
		format = v1alpha1.FormatKubernetesAudit
	}
	return spec, format, nil
}

func entityType(field string) v1alpha1.EntityType {
	for _, t := range v1alpha1.EntityTypes {
		if t.Field() == field {
			return t
		}
	}
	return ""
}

func fields() []string {
	var names []string
	for _, t := range v1alpha1.EntityTypes {
		names = append(names, t.Field())
	}
	return names
}

// testAnswers are the answers of a test, checked against what the operations may answer.
func (p *Playbook) testAnswers(test v1alpha1.PlaybookTest) (Answers, error) {
	answers := Answers{}
	if test.Answers == nil || len(test.Answers.Raw) == 0 {
		return answers, nil
	}
	if err := json.Unmarshal(test.Answers.Raw, &answers); err != nil {
		return nil, fmt.Errorf("answers: must be an object by question id: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		i := slices.IndexFunc(p.questions, func(q *question) bool { return q.spec.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("answers.%s: no question has this id", id)
		}
		for _, field := range slices.Sorted(maps.Keys(answers[id])) {
			if err := p.questions[i].operation.CheckResultPath(field); err != nil {
				return nil, fmt.Errorf("answers.%s: %w", id, err)
			}
		}
	}
	return answers, nil
}
