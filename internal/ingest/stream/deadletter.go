package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/shorten"
)

const (
	headerReason = "Tocsin-Reason"
	headerClass  = "Tocsin-Class"
	headerOrigin = "Tocsin-Origin"
	maxReason    = 2048
)

// DeadLetter is something that was received but had no effect.
type DeadLetter struct {
	// Namespace and Source of the AlertSource.
	Namespace, Source string
	// Class of the reason, one word, for counting.
	Class string
	// Reason in one line: what was wrong, and with which field.
	Reason string
	// Origin tells the part of the message, "<stream>/<sequence>", with "/<index>" or "/rejected";
	// a letter with the same origin is stored once. Empty for what never reached the stream.
	Origin string
	// Body after redaction.
	Body []byte
}

// Bury stores a dead letter and returns once it is on disk. A body that is too
// large is cut, and the reason says so: no letter can keep others waiting.
func (s *Stream) Bury(ctx context.Context, letter DeadLetter) error {
	if n := len(letter.Body); n > MaxPayload {
		letter.Body = letter.Body[:MaxPayload]
		letter.Reason = fmt.Sprintf("(cut to %d of %d bytes) %s", MaxPayload, n, letter.Reason)
	}
	msg := nats.NewMsg(deadSubject + letter.Namespace + "." + letter.Source)
	msg.Data = letter.Body
	msg.Header.Set(headerReason, oneLine(letter.Reason))
	msg.Header.Set(headerClass, letter.Class)
	var options []jetstream.PublishOpt
	if letter.Origin != "" {
		msg.Header.Set(headerOrigin, letter.Origin)
		options = append(options, jetstream.WithMsgID(letter.Origin))
	}
	if _, err := s.publish.PublishMsg(ctx, msg, options...); err != nil {
		return fmt.Errorf("%w: dead letter: %w", ErrUnavailable, err)
	}
	return nil
}

// DeadLetters yields the dead letters that are kept, oldest first.
func (s *Stream) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		info, err := s.dead.Info(ctx)
		if err != nil {
			yield(DeadLetter{}, err)
			return
		}
		for seq := max(info.State.FirstSeq, 1); seq <= info.State.LastSeq; seq++ {
			msg, err := s.dead.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				yield(DeadLetter{}, err)
				return
			}
			if !yield(letterOf(msg), nil) {
				return
			}
		}
	}
}

func letterOf(msg *jetstream.RawStreamMsg) DeadLetter {
	namespace, source := origin(msg.Subject, deadSubject)
	return DeadLetter{
		Namespace: namespace, Source: source, Body: msg.Data,
		Class: msg.Header.Get(headerClass), Reason: msg.Header.Get(headerReason), Origin: msg.Header.Get(headerOrigin),
	}
}

// origin reads namespace and source from a subject. Only the name of a source may hold dots.
func origin(subject, prefix string) (namespace, source string) {
	namespace, source, _ = strings.Cut(strings.TrimPrefix(subject, prefix), ".")
	return namespace, source
}

// oneLine makes text fit for a header.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return shorten.Characters(strings.TrimSpace(s), maxReason)
}
