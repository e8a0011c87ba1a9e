package responseaction

import (
	"errors"
	"fmt"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// claim is what an execution said of itself; empty after a crash.
type claim struct {
	result *connectors.Result
	err    error
	// rest: part of it was there before, so that a refusal is not the whole story.
	rest bool
}

// sighting is what was seen of the effect.
type sighting struct {
	effect connectors.Effect
	err    error
}

// move is what is done next with an action that has begun.
type move int

const (
	// end records an outcome.
	end move = iota
	// retry looks again after a while.
	retry
	// restart: nothing was done, so every check is made again before it is executed.
	restart
	// complete executes the rest of it.
	complete
	// hold waits for what is in the way, and then does what is left.
	hold
)

// judgement is a move, with the outcome where it is the end.
type judgement struct {
	move    move
	outcome v1alpha1.ActionOutcome
	message string
}

// judge decides from what was claimed and what was seen. An effect that nobody
// can tell is never tried again: it ends Unknown, for a human to look.
func judge(c claim, s sighting, tried attempt, overdue bool) judgement {
	switch {
	case c.rest && c.result != nil && c.result.Outcome == v1alpha1.OutcomeFailed:
		return unknown("only part of it was done: %s", c.result.Message)
	case c.result != nil && (c.result.Outcome == v1alpha1.OutcomeFailed || c.result.Outcome == v1alpha1.OutcomeSkipped):
		return judgement{outcome: c.result.Outcome, message: c.result.Message}
	case s.err == nil && s.effect == connectors.EffectPresent:
		return judgement{outcome: v1alpha1.OutcomeSucceeded, message: present(c)}
	case c.result != nil:
		return unknown("the connector reported %s (%s), but its effect cannot be seen: %s", c.result.Outcome, c.result.Message, s)
	case errors.Is(c.err, connectors.ErrBlocked) && s.err == nil && !overdue:
		return judgement{move: hold, message: c.err.Error()}
	case s.err == nil && s.effect == connectors.EffectAbsent:
		return absent(c, tried)
	case s.err == nil && s.effect == connectors.EffectPartial:
		return partial(c, tried)
	case overdue:
		return unknown("whether it was done cannot be told: %s%s", s, because(c))
	}
	return judgement{move: retry}
}

func absent(c claim, tried attempt) judgement {
	switch {
	case definite(c.err) || errors.Is(c.err, connectors.ErrBlocked):
		return judgement{outcome: v1alpha1.OutcomeFailed, message: "not done: " + c.err.Error()}
	case tried.executions >= maxExecutions:
		return judgement{outcome: v1alpha1.OutcomeFailed, message: fmt.Sprintf("not done after %d attempts%s", tried.executions, because(c))}
	case c.err != nil:
		return judgement{move: retry}
	}
	return judgement{move: restart}
}

func partial(c claim, tried attempt) judgement {
	switch {
	case tried.executions >= maxExecutions || definite(c.err) || errors.Is(c.err, connectors.ErrBlocked):
		return unknown("only part of it was done%s", because(c))
	case c.err != nil:
		return judgement{move: retry}
	}
	return judgement{move: complete}
}

func unknown(format string, args ...any) judgement {
	return judgement{outcome: v1alpha1.OutcomeUnknown, message: fmt.Sprintf(format, args...) + "; look at the target, then undo or ask again"}
}

func present(c claim) string {
	if c.result != nil && c.result.Message != "" {
		return c.result.Message
	}
	return "its effect was observed"
}

func because(c claim) string {
	if c.err == nil {
		return ""
	}
	return ": " + c.err.Error()
}

// definite errors stay the same however often the request is made.
func definite(err error) bool {
	for _, target := range []error{
		connectors.ErrInvalid, connectors.ErrNotFound, connectors.ErrForbidden, connectors.ErrUnsupported, connectors.ErrConflict,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func (s sighting) String() string {
	if s.err != nil {
		return s.err.Error()
	}
	return "effect " + string(s.effect)
}
