package investigation

import (
	"fmt"
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

const (
	opRuleHistory     = "rule-history"
	opRelatedEvents   = "related-events"
	opVulnerabilities = "vulnerabilities"
	opPolicyReports   = "policy-reports"
	opNetworkRules    = "network-rules"
	criticalityResult = "criticality"
)

// inquest is an investigation under way.
type inquest struct {
	file     *caseFile
	settings analyst.Settings
	alerts   []playbook.Alert
	// worstFirst orders the alerts where not all can be looked at.
	worstFirst []int
	caseVars   playbook.Case
	asked      []asked
	replies    map[string]reply
	unknown    []error
	// grader of the case if the verdict is theirs and not the analyst's: who brings an
	// action about like that does not approve it as well.
	grader string
	// books in force for this case, the universal one first.
	books []*playbook.Playbook
}

// worstFirst orders alerts by severity, the older first: a flood of small ones must
// not crowd out the one that matters.
func worstFirst(specs []v1alpha1.AlertSpec) []int {
	order := make([]int, len(specs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return specs[b].Severity.Rank() - specs[a].Severity.Rank() })
	return order
}

// weigh turns answers into findings and findings into a conclusion.
func (q *inquest) weigh() (analyst.Conclusion, []string) {
	facts := analyst.Facts{Thresholds: q.settings.Thresholds, Alerts: q.beliefs(), Injection: analyst.Injection(q.texts())}
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

// beliefs by the histories of the rules; a rule without an answer counts by its severity.
func (q *inquest) beliefs() []analyst.Belief {
	var beliefs []analyst.Belief
	for index, a := range q.file.alerts {
		var answer map[string]any
		for _, asked := range q.asked {
			if asked.index == index && asked.ask.Operation == opRuleHistory {
				answer = q.replies[asked.ask.Key()].answer
			}
		}
		beliefs = append(beliefs, analyst.Believe(a.Name, analyst.NewRuleHistory(a.Spec.Rule, a.Spec.Severity, answer)))
	}
	return beliefs
}

// stakes that the answers tell of.
func (q *inquest) stakes() analyst.Stakes {
	var stakes analyst.Stakes
	stakes.Criticality, stakes.CriticalityFrom = q.criticality()
	stakes.Reach, stakes.ReachFrom = analyst.Reach(q.answers(analyst.ReachOperation)), q.answered(analyst.ReachOperation)
	return stakes
}

// memories of the questions that compare with what is usual, each by the youngest answer.
func (q *inquest) memories() []analyst.Memory {
	var all []analyst.Memory
	for _, a := range q.asked {
		m, says := analyst.MemoryOf(a.ask.ID, q.replies[a.ask.Key()].answer)
		at := slices.IndexFunc(all, func(known analyst.Memory) bool { return known.Question == m.Question })
		switch {
		case says && at < 0:
			all = append(all, m)
		case says:
			all[at].Hours = min(all[at].Hours, m.Hours)
		}
	}
	return all
}

// answered is the id of the first question that an operation answered.
func (q *inquest) answered(operation string) string {
	for _, a := range q.asked {
		if a.ask.Operation == operation && q.replies[a.ask.Key()].answer != nil {
			return a.ask.ID
		}
	}
	return ""
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

// criticality of the most critical target that any answer speaks of, and the question
// that told. That it is low lowers the severity, so that each answer must say so, by a
// field that is trusted.
func (q *inquest) criticality() (most analyst.Criticality, from string) {
	order := []analyst.Criticality{analyst.CriticalityLow, "", analyst.CriticalityHigh, analyst.CriticalityCritical}
	best := -1
	for _, a := range q.asked {
		text, stated := q.replies[a.ask.Key()].answer[criticalityResult].(string)
		if !stated {
			continue
		}
		at := slices.Index(order, analyst.Criticality(text))
		if at < 0 || at == 0 && !a.playbook.Trusts(a.ask.Question, criticalityResult) {
			at = 1 // medium
		}
		if at > best {
			best, most, from = at, order[at], a.ask.ID
		}
	}
	if most == "" {
		return "", ""
	}
	return most, from
}

// states of the questions, each once by its id; the worst end of several counts.
func (q *inquest) states() []v1alpha1.QuestionStatus {
	var states []v1alpha1.QuestionStatus
	for _, a := range q.asked {
		r := q.replies[a.ask.Key()]
		state := v1alpha1.QuestionStatus{
			ID: a.ask.ID, Ask: a.ask.Ask, Use: a.ask.Connector + "/" + a.ask.Operation, From: a.ask.From,
			State: r.state, Message: r.message, AnswerDigest: r.digest(),
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

// shownAnswers are the answers whose digests the status shows.
func (q *inquest) shownAnswers(shown []v1alpha1.QuestionStatus) [][]byte {
	digests := map[string]bool{}
	for _, s := range shown {
		digests[s.AnswerDigest] = true
	}
	var answers [][]byte
	for _, r := range q.replies {
		if r.raw != nil && digests[r.digest()] {
			answers = append(answers, r.raw)
		}
	}
	return answers
}

// rank orders how questions end: what is missing shows.
func rank(s v1alpha1.QuestionState) int {
	return slices.Index([]v1alpha1.QuestionState{
		v1alpha1.QuestionEmpty, v1alpha1.QuestionAnswered, v1alpha1.QuestionTimedOut, v1alpha1.QuestionFailed,
	}, s)
}
