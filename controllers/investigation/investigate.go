package investigation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	settings "github.com/tocsin-dev/tocsin/controllers/analyst"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

const (
	engineName        = "built-in"
	opRuleHistory     = "rule-history"
	opPermissions     = "permissions"
	criticalityResult = "criticality"
	maxNarrative      = 16384
)

// Playbooks knows the playbooks in force in a namespace.
type Playbooks interface {
	For(namespace string) []*playbook.Playbook
}

// Log is the audit log.
type Log interface {
	Append(ctx context.Context, entry audit.Entry) (int64, error)
}

// Investigator asks the questions of a case and concludes.
type Investigator struct {
	Reader    client.Reader
	Registry  *connectors.Registry
	Playbooks Playbooks
	Log       Log
	Now       func() time.Time
}

// outcome of an investigation.
type outcome struct {
	status         v1alpha1.InvestigationStatus
	escalateReason string // empty if no human is needed
	actions        []*v1alpha1.ResponseAction
}

// inquest is an investigation under way.
type inquest struct {
	file     *caseFile
	settings settings.Settings
	alerts   []playbook.Alert
	caseVars playbook.Case
	asked    []asked
	replies  map[string]reply
	unknown  []error
	// books in force for this case, the universal one first.
	books []*playbook.Playbook
}

// investigate reads only what the connectors answer; all else is computed.
func (i *Investigator) investigate(ctx context.Context, file *caseFile) (outcome, error) {
	q, err := i.open(ctx, file)
	if err != nil {
		return outcome{}, err
	}
	namespace := file.investigation.Namespace
	asked, unknown := questions(q.books, q.alerts)
	q.asked, q.unknown = asked, append(q.unknown, unknown...)
	inquirer := &inquirer{registry: i.Registry, namespace: namespace, timeout: q.settings.QuestionTimeout}
	q.replies = inquirer.inquire(ctx, q.asked)
	conclusion, unanswered := q.weigh()
	status := analyst.Assemble(analyst.Dossier{
		Alerts: file.alerts, Questions: q.states(), Conclusion: conclusion, Unanswered: unanswered,
		Reach: analyst.Reach(q.answers(opPermissions)), Criticality: q.criticality(),
		Analyst: engineName, Grade: file.investigation.Spec.Grade,
	})
	actions, err := q.propose(&status)
	if err != nil {
		return outcome{}, err
	}
	if err := i.record(ctx, file, &status); err != nil {
		return outcome{}, err
	}
	return outcome{status: status, escalateReason: conclusion.EscalateReason, actions: actions}, nil
}

// open gathers what the questions are about.
func (i *Investigator) open(ctx context.Context, file *caseFile) (*inquest, error) {
	namespace := file.investigation.Namespace
	s, err := settings.For(ctx, i.Reader, namespace)
	if err != nil {
		return nil, err
	}
	var missing []error
	universal, err := playbook.Universal(s.Connector, i.Registry.Catalog(namespace))
	if err != nil {
		return nil, fmt.Errorf("universal questions: %w", err)
	}
	if _, err := i.Registry.Get(namespace, s.Connector); err != nil {
		missing = append(missing, fmt.Errorf("the cluster could not be asked: %w", err))
	}
	q := &inquest{file: file, unknown: missing, settings: s, books: append([]*playbook.Playbook{universal}, i.Playbooks.For(namespace)...)}
	specs := make([]v1alpha1.AlertSpec, 0, len(file.alerts))
	for _, a := range file.alerts {
		format, err := i.format(ctx, a)
		if err != nil {
			return nil, err
		}
		specs = append(specs, a.Spec)
		q.alerts = append(q.alerts, playbook.NewAlert(&a, format))
	}
	q.caseVars = playbook.NewCase(specs)
	return q, nil
}

// format of the alert's source; a source that is gone vouches for nothing.
func (i *Investigator) format(ctx context.Context, a v1alpha1.Alert) (v1alpha1.AlertFormat, error) {
	var source v1alpha1.AlertSource
	err := i.Reader.Get(ctx, types.NamespacedName{Namespace: a.Namespace, Name: a.Spec.Source}, &source)
	return source.Spec.Format, client.IgnoreNotFound(err)
}

// weigh turns answers into findings and findings into a conclusion.
func (q *inquest) weigh() (analyst.Conclusion, []string) {
	facts := analyst.Facts{Thresholds: q.settings.Thresholds, Alerts: q.file.names(), Injection: analyst.Injection(q.texts())}
	facts.Prior, facts.PriorReason = analyst.Prior(q.histories())
	for _, err := range q.unknown {
		facts.Unanswered = append(facts.Unanswered, err.Error())
	}
	for _, s := range q.states() {
		if s.State == v1alpha1.QuestionFailed || s.State == v1alpha1.QuestionTimedOut {
			facts.Unanswered = append(facts.Unanswered, fmt.Sprintf("%s %s", s.Ask, s.Message))
		}
	}
	for _, a := range q.asked {
		findings, errs := a.playbook.Weigh(a.ask, q.context(a.index, a.playbook))
		for _, f := range findings {
			f.Alert = q.file.alerts[a.index].Name
			facts.Findings = append(facts.Findings, f)
		}
		for _, err := range errs {
			facts.Unanswered = append(facts.Unanswered, err.Error())
		}
	}
	return analyst.Weigh(facts), facts.Unanswered
}

// context is what one playbook knows of one alert.
func (q *inquest) context(index int, p *playbook.Playbook) playbook.Context {
	answers := playbook.Answers{}
	for _, a := range q.asked {
		if a.index == index && a.playbook == p {
			answers[a.ask.Question] = q.replies[a.ask.Key()].answer
		}
	}
	return playbook.Context{Alert: q.alerts[index], Case: q.caseVars, Answers: answers}
}

// texts that an attacker may have written.
func (q *inquest) texts() map[string]string {
	texts := map[string]string{}
	for _, a := range q.file.alerts {
		texts[a.Name+" title"] = a.Spec.Title
		for name, value := range a.Spec.Attributes {
			texts[a.Name+" "+name] = value
		}
	}
	return texts
}

// histories of the rules in the case; a rule without an answer counts by its severity.
func (q *inquest) histories() []analyst.RuleHistory {
	var histories []analyst.RuleHistory
	for index, a := range q.file.alerts {
		var answer map[string]any
		for _, asked := range q.asked {
			if asked.index == index && asked.ask.Operation == opRuleHistory {
				answer = q.replies[asked.ask.Key()].answer
			}
		}
		histories = append(histories, analyst.NewRuleHistory(a.Spec.Rule, a.Spec.Severity, answer))
	}
	return histories
}

// answers to an operation, each once.
func (q *inquest) answers(operation string) []map[string]any {
	var answers []map[string]any
	seen := map[string]bool{}
	for _, a := range q.asked {
		key := a.ask.Key()
		if a.ask.Operation != operation || seen[key] {
			continue
		}
		seen[key] = true
		if answer := q.replies[key].answer; answer != nil {
			answers = append(answers, answer)
		}
	}
	return answers
}

// criticality of the most critical target that any answer speaks of.
func (q *inquest) criticality() analyst.Criticality {
	order := []analyst.Criticality{analyst.CriticalityCritical, analyst.CriticalityHigh, analyst.CriticalityLow}
	best := len(order)
	for _, r := range q.replies {
		if text, ok := r.answer[criticalityResult].(string); ok {
			if at := slices.Index(order, analyst.Criticality(text)); at >= 0 && at < best {
				best = at
			}
		}
	}
	if best == len(order) {
		return ""
	}
	return order[best]
}

// states of the questions, each once by its id; the worst end of several counts.
func (q *inquest) states() []v1alpha1.QuestionStatus {
	var states []v1alpha1.QuestionStatus
	for _, a := range q.asked {
		r := q.replies[a.ask.Key()]
		state := v1alpha1.QuestionStatus{
			ID: a.ask.ID, Ask: a.ask.Ask, Use: a.ask.Connector + "/" + a.ask.Operation, From: a.ask.From,
			State: r.state, Message: r.message, AnswerDigest: digest(r.answer),
		}
		at := slices.IndexFunc(states, func(s v1alpha1.QuestionStatus) bool { return s.ID == state.ID })
		switch {
		case at < 0:
			states = append(states, state)
		case rank(state.State) > rank(states[at].State):
			states[at] = state
		}
	}
	return states
}

// rank orders how questions end: what is missing shows.
func rank(s v1alpha1.QuestionState) int {
	return slices.Index([]v1alpha1.QuestionState{
		v1alpha1.QuestionEmpty, v1alpha1.QuestionAnswered, v1alpha1.QuestionTimedOut, v1alpha1.QuestionFailed,
	}, s)
}

func digest(answer map[string]any) string {
	if answer == nil {
		return ""
	}
	raw, err := json.Marshal(answer) // sorts the keys
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// propose makes the actions that playbooks propose for the verdict, each once. The
// name follows from what is proposed, so that proposing it again changes nothing.
func (q *inquest) propose(status *v1alpha1.InvestigationStatus) ([]*v1alpha1.ResponseAction, error) {
	var actions []*v1alpha1.ResponseAction
	seen := map[string]bool{}
	for index := range q.alerts {
		for _, p := range q.books {
			if matches, err := p.Matches(q.alerts[index]); err != nil || !matches {
				continue // an error is among the unanswered
			}
			context := q.context(index, p)
			context.Verdict, context.Probability = status.Verdict, float64(*status.ProbabilityPermille)/1000
			proposals, errs := p.Propose(context)
			for _, err := range errs {
				status.Narrative = cut(status.Narrative+"\nNot proposed: "+analyst.Plain(err.Error(), 512), maxNarrative)
			}
			for _, proposal := range proposals {
				if seen[proposal.Key()] {
					continue
				}
				seen[proposal.Key()] = true
				action, err := q.action(proposal)
				if err != nil {
					return nil, err
				}
				actions = append(actions, action)
			}
		}
	}
	return actions[:min(len(actions), maxActions)], nil
}

func (q *inquest) action(p playbook.Proposal) (*v1alpha1.ResponseAction, error) {
	with, err := json.Marshal(p.Arguments)
	if err != nil {
		return nil, fmt.Errorf("action %s of playbook %s: %w", p.ID, p.Playbook, err)
	}
	sum := sha256.Sum256([]byte(p.Key()))
	action := &v1alpha1.ResponseAction{}
	action.Namespace = q.file.investigation.Namespace
	action.Name = fmt.Sprintf("%s-%s-%s", cut(p.ID, 40), cut(q.file.investigation.Name, 200), hex.EncodeToString(sum[:])[:5])
	action.Labels = map[string]string{v1alpha1.LabelInvestigation: q.file.investigation.Name}
	action.Spec = v1alpha1.ResponseActionSpec{
		Use:           &v1alpha1.ActionUse{Connector: p.Connector, Operation: p.Operation, With: &runtime.RawExtension{Raw: with}},
		Investigation: q.file.investigation.Name, Reason: cut(p.Reason, 1024), RequestedBy: "playbook:" + p.Playbook,
		Order: p.Order, UndoAfter: p.UndoAfter,
	}
	return action, nil
}

func cut(text string, limit int) string { return text[:min(len(text), limit)] }

// record puts the conclusion into the audit log before anybody can read it elsewhere.
func (i *Investigator) record(ctx context.Context, file *caseFile, status *v1alpha1.InvestigationStatus) error {
	alerts := make([]any, 0, len(file.alerts))
	for _, a := range file.alerts {
		alerts = append(alerts, map[string]any{"name": a.Name, "rule": a.Spec.Rule, "fingerprint": a.Spec.Fingerprint, "rawDigest": a.Spec.RawDigest})
	}
	evidence, err := json.Marshal(status.Evidence)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(evidence)
	_, err = i.Log.Append(ctx, audit.Entry{
		Time: i.Now(), Type: audit.TypeVerdict, Namespace: file.investigation.Namespace, Case: file.investigation.Name,
		Actor: "analyst:" + engineName, Summary: fmt.Sprintf("%s: %s", status.Verdict, status.Title), Digest: hex.EncodeToString(sum[:]),
		Data: map[string]any{"alerts": alerts, "score": *status.Score, "prior": *status.Prior, "questions": len(status.Questions)},
	})
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}
