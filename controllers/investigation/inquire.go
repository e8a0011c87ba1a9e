package investigation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/internal/redact"
)

const (
	// parallelQuestions of one case.
	parallelQuestions = 8
	// maxQuestions that one case asks; what is beyond is shown as not known.
	maxQuestions = 200
)

// asked is one question about one alert.
type asked struct {
	playbook *playbook.Playbook
	ask      playbook.Ask
	index    int // of the alert
}

// reply is how a question ended.
type reply struct {
	state  v1alpha1.QuestionState
	answer map[string]any
	// raw is the answer as it is kept: JSON without secrets.
	raw     []byte
	message string
}

// digest of the answer as it is kept; empty without one.
func (r reply) digest() string {
	if r.raw == nil {
		return ""
	}
	return hexSum(r.raw)
}

// questions puts every playbook's questions about every alert, in the order of the
// alerts. Where that is too much, those come first that the order of importance has
// first. The errors name what could not be put.
func questions(playbooks []*playbook.Playbook, alerts []playbook.Alert, importance []int) ([]asked, []error) {
	var all []asked
	var unknown []error
	distinct := map[string]bool{}
	for _, index := range importance {
		some, errs := about(playbooks, alerts[index], index)
		unknown = append(unknown, errs...)
		for _, a := range some {
			if !distinct[a.ask.Key()] && len(distinct) == maxQuestions {
				unknown = append(unknown, fmt.Errorf("more than %d questions: not all were asked", maxQuestions))
				return inOrder(all), unknown
			}
			distinct[a.ask.Key()] = true
			all = append(all, a)
		}
	}
	return inOrder(all), unknown
}

func inOrder(all []asked) []asked {
	slices.SortStableFunc(all, func(a, b asked) int { return a.index - b.index })
	return all
}

// about are the questions about one alert.
func about(playbooks []*playbook.Playbook, alert playbook.Alert, index int) (all []asked, unknown []error) {
	for _, p := range playbooks {
		matches, err := p.Matches(alert)
		if err != nil {
			unknown = append(unknown, fmt.Errorf("%s: match: %w", p.Name, err))
		}
		if !matches {
			continue
		}
		asks, errs := p.Questions(alert)
		unknown = append(unknown, errs...)
		for _, ask := range asks {
			all = append(all, asked{playbook: p, ask: ask, index: index})
		}
	}
	return all, unknown
}

// inquirer asks questions of the connectors of one namespace.
type inquirer struct {
	registry  *connectors.Registry
	namespace string
	timeout   time.Duration
}

// inquire asks each distinct question once, a few at a time.
func (i *inquirer) inquire(ctx context.Context, all []asked) map[string]reply {
	distinct := map[string]playbook.Ask{}
	for _, a := range all {
		distinct[a.ask.Key()] = a.ask
	}
	type keyed struct {
		key   string
		reply reply
	}
	replies := make(chan keyed, len(distinct))
	var group errgroup.Group
	group.SetLimit(parallelQuestions)
	for key, ask := range distinct {
		group.Go(func() error {
			replies <- keyed{key, i.ask(ctx, ask)}
			return nil
		})
	}
	_ = group.Wait() // nothing fails: how a question ended is its reply
	close(replies)
	found := make(map[string]reply, len(distinct))
	for r := range replies {
		found[r.key] = r.reply
	}
	return found
}

// ask puts one question. An answer that breaks its own schema is no answer.
func (i *inquirer) ask(ctx context.Context, ask playbook.Ask) reply {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	answer, err := i.call(ctx, ask)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return reply{state: v1alpha1.QuestionTimedOut, message: fmt.Sprintf("no answer within %s", i.timeout)}
	case err != nil:
		return reply{state: v1alpha1.QuestionFailed, message: err.Error()}
	case answer == nil:
		return reply{state: v1alpha1.QuestionEmpty}
	}
	raw, err := json.Marshal(redact.JSON(answer)) // sorts the keys
	if err != nil {
		return reply{state: v1alpha1.QuestionFailed, message: err.Error()}
	}
	return reply{state: v1alpha1.QuestionAnswered, answer: answer, raw: raw}
}

func (i *inquirer) call(ctx context.Context, ask playbook.Ask) (map[string]any, error) {
	connector, err := i.registry.Get(i.namespace, ask.Connector)
	if err != nil {
		return nil, err
	}
	asker, ok := connector.(connectors.Asker)
	if !ok {
		return nil, fmt.Errorf("%w: connector %s answers no questions", connectors.ErrUnsupported, ask.Connector)
	}
	operation, err := connectors.Find(connector, ask.Operation)
	if err != nil {
		return nil, err
	}
	if err := operation.ValidateArguments(ask.Arguments); err != nil {
		return nil, err
	}
	answer, err := asker.Ask(ctx, ask.Operation, ask.Arguments)
	if err != nil || answer == nil {
		return nil, err
	}
	return answer, operation.ValidateResult(answer)
}
