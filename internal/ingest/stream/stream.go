// Package stream keeps events durably between their arrival and their effect,
// in an embedded NATS JetStream without a network listener.
package stream

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	eventsName      = "EVENTS"
	eventsSubject   = "tocsin.events."
	deadName        = "DEADLETTERS"
	deadSubject     = "tocsin.deadletters."
	checkpointsName = "checkpoints"

	// maxRecord bytes are what the file store takes for one message, with its subject and headers.
	maxRecord = 32 << 20
	// MaxPayload is the most that one message can hold, in bytes: what is stored can
	// also be a dead letter, with its reason.
	MaxPayload = maxRecord - 16<<10

	// retention of what is processed.
	retention     = 24 * time.Hour
	deadRetention = 30 * 24 * time.Hour
	startTimeout  = 30 * time.Second

	checkpointBytes = 1 << 20
)

var (
	// ErrUnavailable: the event is not stored; the sender may try again.
	ErrUnavailable = errors.New("the event stream cannot store now")
	// ErrTooLarge: the event is larger than MaxPayload.
	ErrTooLarge = errors.New("too large for the event stream")
)

// Config says where events are kept and how many.
type Config struct {
	// Dir is on a disk that outlives the process.
	Dir string
	// MaxBytes of events; when it is reached, the oldest processed ones go, and if none are processed, new ones are refused.
	MaxBytes int64
}

// Stream is the durable event stream and its dead letters. It is safe for concurrent use.
type Stream struct {
	server *server.Server
	// Publishing waits for the disk, so reading has a connection of its own.
	writes, reads *nats.Conn
	publish, read jetstream.JetStream
	events, dead  jetstream.Stream
	checkpoints   jetstream.KeyValue
	id            string
	maxBytes      int64
}

// Open starts JetStream in this process on the directory.
func Open(ctx context.Context, config Config) (*Stream, error) {
	s := &Stream{maxBytes: config.MaxBytes}
	if err := s.start(config); err != nil {
		s.Close()
		return nil, fmt.Errorf("event stream in %s: %w", config.Dir, err)
	}
	if err := s.prepare(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("event stream in %s: %w", config.Dir, err)
	}
	return s, nil
}

func (s *Stream) start(config Config) error {
	var err error
	s.server, err = server.NewServer(&server.Options{
		ServerName: "tocsin", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: config.Dir, SyncAlways: true, MaxPayload: maxRecord,
		JetStreamMaxStore: 2*config.MaxBytes + checkpointBytes, JetStreamMaxMemory: 16 << 20,
	})
	if err != nil {
		return err
	}
	s.server.Start()
	if !s.server.ReadyForConnections(startTimeout) {
		return errors.New("JetStream did not start; is the directory writable and used by nobody else?")
	}
	if s.writes, err = s.connect("ingest"); err != nil {
		return err
	}
	if s.reads, err = s.connect("pipeline"); err != nil {
		return err
	}
	if s.publish, err = jetstream.New(s.writes); err != nil {
		return err
	}
	s.read, err = jetstream.New(s.reads)
	return err
}

func (s *Stream) connect(name string) (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(s.server), nats.Name(name), nats.MaxReconnects(-1))
}

func (s *Stream) prepare(ctx context.Context) error {
	var err error
	s.events, err = s.read.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: eventsName, Subjects: []string{eventsSubject + ">"},
		Storage: jetstream.FileStorage, MaxBytes: s.maxBytes,
		// What is not processed is never dropped, for its age or for what is new: see Trim and Expire.
		Discard: jetstream.DiscardNew,
	})
	if err != nil {
		return err
	}
	s.id = fmt.Sprintf("%s-%x", eventsName, s.events.CachedInfo().Created.UnixNano())
	s.dead, err = s.read.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: deadName, Subjects: []string{deadSubject + ">"},
		Storage: jetstream.FileStorage, MaxAge: deadRetention, MaxBytes: s.maxBytes / 4,
		Duplicates: time.Hour,
	})
	if err != nil {
		return err
	}
	s.checkpoints, err = s.read.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: checkpointsName, MaxBytes: checkpointBytes})
	return err
}

// Close stops JetStream. What was acknowledged is on disk.
func (s *Stream) Close() {
	for _, conn := range []*nats.Conn{s.writes, s.reads} {
		if conn != nil {
			conn.Close()
		}
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}

// ID identifies this stream for ever.
func (s *Stream) ID() string { return s.id }

// Publish stores an event of an AlertSource and returns once it is on disk.
// It errs with ErrTooLarge or ErrUnavailable.
func (s *Stream) Publish(ctx context.Context, namespace, source string, body []byte) (Position, error) {
	if len(body) > MaxPayload {
		return Position{}, fmt.Errorf("%w: %d bytes once redacted, at most %d fit", ErrTooLarge, len(body), MaxPayload)
	}
	ack, err := s.publish.Publish(ctx, eventsSubject+namespace+"."+source, body)
	if err != nil {
		return Position{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return Position{Stream: s.id, Sequence: ack.Sequence}, nil
}

// Trim makes room when three quarters of the stream are used: the oldest
// quarter of what is processed goes.
func (s *Stream) Trim(ctx context.Context, processed uint64) error {
	info, err := s.events.Info(ctx)
	if err != nil {
		return err
	}
	first := info.State.FirstSeq
	if int64(info.State.Bytes) < s.maxBytes/4*3 || processed < first {
		return nil
	}
	return s.events.Purge(ctx, jetstream.WithPurgeSequence(first+(processed-first)/4+1))
}

// Expire drops the processed messages that are older than a day.
func (s *Stream) Expire(ctx context.Context, processed uint64, now time.Time) error {
	info, err := s.events.Info(ctx)
	if err != nil {
		return err
	}
	first, limit := info.State.FirstSeq, now.Add(-retention)
	if info.State.Msgs == 0 || processed < first || !info.State.FirstTime.Before(limit) {
		return nil
	}
	old := sort.Search(int(processed-first+1), func(i int) bool {
		msg, failed := s.events.GetMsg(ctx, first+uint64(i))
		if failed != nil && !errors.Is(failed, jetstream.ErrMsgNotFound) {
			err = failed
		}
		return failed != nil || !msg.Time.Before(limit)
	})
	if err != nil || old == 0 {
		return err
	}
	return s.events.Purge(ctx, jetstream.WithPurgeSequence(first+uint64(old)))
}
