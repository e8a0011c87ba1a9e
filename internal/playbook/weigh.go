package playbook

import (
	"fmt"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
)

// Weigh returns what the answer to a question means. Without an answer it means
// nothing. A condition that cannot be evaluated yields no finding but an error,
// which must be shown as not known. A playbook in mode Shadow weighs nothing.
func (p *Playbook) Weigh(ask Ask, context Context) ([]analyst.Finding, []error) {
	findings, errs := p.findings(ask, context)
	if p.mode == v1alpha1.PlaybookEnabled {
		return findings, errs
	}
	for i := range findings {
		f := &findings[i]
		f.Text = fmt.Sprintf("%s (shadow: would weigh %+d dB)", f.Text, f.Decibans)
		f.Decibans = 0
	}
	return findings, nil
}

func (p *Playbook) findings(ask Ask, context Context) ([]analyst.Finding, []error) {
	answer := context.Answers[ask.Question]
	if answer == nil {
		return nil, nil
	}
	vars := context.vars()
	vars["answer"] = answer
	var findings []analyst.Finding
	var errs []error
	for i, w := range p.weights(ask.Question) {
		ok, err := holds(w.condition, context.Alert, vars)
		if err == nil && !ok {
			continue
		}
		var because string
		if err == nil {
			because, err = w.because.Text(vars)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: question %s: weigh[%d]: %w", p.Name, ask.Question, i, err))
			continue
		}
		findings = append(findings, analyst.Finding{
			Question: ask.ID, Alert: context.Alert.name(), Text: because, Provenance: w.provenance(), Group: p.group(ask, w, i),
			Decibans: w.spec.Decibans, Suggests: w.spec.Suggests,
		})
	}
	return findings, errs
}

func (p *Playbook) weights(id string) []*weight {
	for _, q := range p.questions {
		if q.spec.ID == id {
			return q.weigh
		}
	}
	return nil
}

// group of a finding: the one that the playbook gives it, or one for all findings
// of this condition. The alerts of a case share a cause, so that the same
// condition on ten of them is one reason and not ten.
func (p *Playbook) group(ask Ask, w *weight, i int) string {
	if w.spec.Group != "" {
		return w.spec.Group
	}
	return fmt.Sprintf("%s[%d]", ask.ID, i)
}
