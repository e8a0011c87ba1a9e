package content

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

var began = time.Date(2026, 3, 1, 9, 2, 11, 0, time.UTC)

// evidence is an alert and what the connectors would answer about it, by question id.
type evidence struct {
	alert   v1alpha1.Alert
	format  v1alpha1.AlertFormat
	answers playbook.Answers
}

// audited is the alert of an audit event, with the entities and attributes that ingest reads from it.
func audited(name, rule string, severity v1alpha1.Severity, event string, techniques ...v1alpha1.Technique) v1alpha1.Alert {
	var raw map[string]any
	if err := json.Unmarshal([]byte(event), &raw); err != nil {
		panic(fmt.Sprintf("%s: %v", event, err))
	}
	read := auditevent.Read(raw)
	a := alert(name, rule, severity, techniques...)
	a.Spec.Entities, a.Spec.Attributes = read.Entities(), read.Attributes()
	return a
}

func alert(name, rule string, severity v1alpha1.Severity, techniques ...v1alpha1.Technique) v1alpha1.Alert {
	return v1alpha1.Alert{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.AlertSpec{
		Source: "audit", Rule: rule, Title: rule, Severity: severity, Techniques: techniques, FirstSeen: metav1.NewMicroTime(began),
	}}
}

// investigate runs a case as the operator would, with given answers.
func investigate(t *testing.T, playbooks []*playbook.Playbook, found ...evidence) (analyst.Conclusion, map[string]playbook.Proposal) {
	t.Helper()
	var facts analyst.Facts
	var specs []v1alpha1.AlertSpec
	texts := map[string]string{}
	for _, e := range found {
		specs = append(specs, e.alert.Spec)
		history := analyst.NewRuleHistory(e.alert.Spec.Rule, e.alert.Spec.Severity, e.answers[playbook.QuestionHistory])
		facts.Alerts = append(facts.Alerts, analyst.Believe(e.alert.Name, history))
		maps.Copy(texts, e.alert.Spec.Attributes)
	}
	facts.Injection = analyst.Injection(texts)
	contexts := map[*playbook.Playbook][]playbook.Context{}
	for _, e := range found {
		for _, p := range playbooks {
			context := playbook.Context{Alert: playbook.NewAlert(&e.alert, e.format), Case: playbook.NewCase(specs)}
			findings, asked := ask(t, p, context, e.answers)
			if asked == nil {
				continue
			}
			facts.Findings = append(facts.Findings, findings...)
			context.Answers = asked
			contexts[p] = append(contexts[p], context)
		}
	}
	conclusion := analyst.Weigh(facts)
	return conclusion, propose(t, contexts, conclusion)
}

// ask puts the questions of one playbook about one alert; nil answers if it does not match.
func ask(t *testing.T, p *playbook.Playbook, context playbook.Context, known playbook.Answers) ([]analyst.Finding, playbook.Answers) {
	t.Helper()
	matches, err := p.Matches(context.Alert)
	if err != nil {
		t.Fatal(err)
	}
	if !matches {
		return nil, nil
	}
	asks, errs := p.Questions(context.Alert)
	context.Answers = playbook.Answers{}
	operations := shipped(t)
	for _, a := range asks {
		o, err := operations.Operation(a.Connector, a.Operation)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.ValidateArguments(a.Arguments); err != nil {
			t.Errorf("%s %v: %v", a.ID, a.Arguments, err)
		}
		if answer := known[a.Question]; answer != nil {
			if err := o.ValidateResult(answer); err != nil {
				t.Errorf("%s: the test's answer: %v", a.ID, err)
			}
			context.Answers[a.Question] = answer
		}
	}
	var findings []analyst.Finding
	for _, a := range asks {
		some, failed := p.Weigh(a, context)
		findings, errs = append(findings, some...), append(errs, failed...)
	}
	for _, err := range errs {
		t.Error(err)
	}
	return findings, context.Answers
}

func propose(t *testing.T, contexts map[*playbook.Playbook][]playbook.Context, c analyst.Conclusion) map[string]playbook.Proposal {
	t.Helper()
	all := map[string]playbook.Proposal{}
	operations := shipped(t)
	for p, list := range contexts {
		for _, context := range list {
			context.Verdict, context.Probability = c.Verdict, float64(c.ProbabilityPermille)/1000
			proposals, errs := p.Propose(context)
			for _, err := range errs {
				t.Error(err)
			}
			for _, proposal := range proposals {
				o, err := operations.Operation(proposal.Connector, proposal.Operation)
				if err != nil {
					t.Fatal(err)
				}
				if err := o.ValidateArguments(proposal.Arguments); err != nil {
					t.Errorf("%s: %v", proposal.ID, err)
				}
				all[proposal.Key()] = proposal
			}
		}
	}
	return all
}
