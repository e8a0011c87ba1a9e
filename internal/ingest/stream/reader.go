package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// pipelineKey is where the pipeline's progress is kept.
const pipelineKey = "pipeline"

// Message is one stored event.
type Message struct {
	Position Position
	// Namespace and Source of the AlertSource.
	Namespace, Source string
	// Received is when it was stored.
	Received time.Time
	Body     []byte
}

// Reader yields messages in order, each once.
type Reader struct {
	stream   *Stream
	messages jetstream.MessagesContext
}

// Read starts at the oldest message that is kept.
func (s *Stream) Read(ctx context.Context) (*Reader, error) {
	consumer, err := s.read.OrderedConsumer(ctx, eventsName, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, fmt.Errorf("read the event stream: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxBytes(maxRecord + 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the event stream: %w", err)
	}
	return &Reader{stream: s, messages: messages}, nil
}

// Next waits for a message. After Close it errs.
func (r *Reader) Next() (Message, error) {
	msg, err := r.messages.Next()
	if err != nil {
		return Message{}, fmt.Errorf("read the event stream: %w", err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return Message{}, fmt.Errorf("read the event stream: %w", err)
	}
	namespace, source := origin(msg.Subject(), eventsSubject)
	return Message{
		Position:  Position{Stream: r.stream.id, Sequence: meta.Sequence.Stream},
		Namespace: namespace, Source: source, Received: meta.Timestamp, Body: msg.Data(),
	}, nil
}

// Close ends a Next that waits.
func (r *Reader) Close() { r.messages.Stop() }

// Message reads one message again.
func (s *Stream) Message(ctx context.Context, sequence uint64) (Message, error) {
	msg, err := s.events.GetMsg(ctx, sequence)
	if err != nil {
		return Message{}, fmt.Errorf("read message %d of the event stream: %w", sequence, err)
	}
	namespace, source := origin(msg.Subject, eventsSubject)
	return Message{
		Position:  Position{Stream: s.id, Sequence: msg.Sequence},
		Namespace: namespace, Source: source, Received: msg.Time, Body: msg.Data,
	}, nil
}

// Last returns the sequence of the newest message that is kept; 0 if there is none.
func (s *Stream) Last(ctx context.Context) (uint64, error) {
	info, err := s.events.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of the event stream: %w", err)
	}
	if info.State.Msgs == 0 {
		return 0, nil
	}
	return info.State.LastSeq, nil
}

// Processed returns the sequence up to which every effect of the stream is in
// the API server; 0 at first.
func (s *Stream) Processed(ctx context.Context) (uint64, error) {
	value, err := s.checkpoints.Get(ctx, pipelineKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the checkpoint: %w", err)
	}
	var p Position
	if err := json.Unmarshal(value.Value(), &p); err != nil {
		return 0, fmt.Errorf("read the checkpoint: %w", err)
	}
	if p.Stream != s.id {
		return 0, nil
	}
	return p.Sequence, nil
}

// SetProcessed acknowledges everything up to the sequence.
func (s *Stream) SetProcessed(ctx context.Context, sequence uint64) error {
	value, err := json.Marshal(Position{Stream: s.id, Sequence: sequence})
	if err != nil {
		return err
	}
	if _, err := s.checkpoints.Put(ctx, pipelineKey, value); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}
