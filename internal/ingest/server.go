package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

// storeTimeout bounds how long a sender waits for the disk.
const storeTimeout = 15 * time.Second

// Store keeps what was received.
type Store interface {
	// Publish returns once the event is durable; stream.ErrTooLarge or stream.ErrUnavailable tell why not.
	Publish(ctx context.Context, namespace, source string, body []byte) (stream.Position, error)
	// Bury returns once the dead letter is durable.
	Bury(ctx context.Context, letter stream.DeadLetter) error
}

// Server receives events at POST /v1/sources/{namespace}/{name}. It answers 202
// with {"id": "<stream>/<sequence>"} once an event is durable, and otherwise with
// {"error": "...", "field": "..."}: 400 malformed JSON, 401 wrong token or
// signature, 404 unknown source, 405, 413 too large, 429 too fast, 503 try again.
type Server struct {
	Sources *Sources
	// Known reads AlertSources, from a cache: the events of one that is not in
	// force yet, such as after a restart, are put off instead of turned away.
	Known   client.Reader
	Store   Store
	Metrics *Metrics
	Log     logr.Logger

	room *room
}

// Handler returns the HTTP handler.
func (s *Server) Handler() http.Handler {
	s.room = newRoom()
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/sources/{namespace}/{name}", s.receive)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, reply{code: http.StatusNotFound, message: "no such path; events go to POST /v1/sources/<namespace>/<name>"})
	})
	return mux
}

// reply is an answer: the id of a stored event, or what is wrong.
type reply struct {
	code           int
	id             string
	message, field string
	// wait before trying again, if it is more than a second.
	wait time.Duration
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request) {
	s.answer(w, s.handle(w, r))
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) reply {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return reply{code: http.StatusMethodNotAllowed, message: r.Method + " is not allowed here; send events with POST"}
	}
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	source, ok := s.Sources.Get(namespace, name)
	if !ok {
		return s.absent(r.Context(), types.NamespacedName{Namespace: namespace, Name: name})
	}
	room := &held{of: []*semaphore.Weighted{source.held, s.room.bytes}}
	defer room.release()
	body, refused := s.admit(w, r, source, room)
	if refused != nil {
		return *refused
	}
	return s.store(r.Context(), source, body)
}

func (s *Server) absent(ctx context.Context, key types.NamespacedName) reply {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.Known.Get(ctx, key, &v1alpha1.AlertSource{}); apierrors.IsNotFound(err) {
		return reply{code: http.StatusNotFound, field: "path",
			message: fmt.Sprintf("no AlertSource %.253q in namespace %.63q; see kubectl get alertsources", key.Name, key.Namespace)}
	}
	return reply{code: http.StatusServiceUnavailable, field: "path", message: fmt.Sprintf(
		"AlertSource %s is not ready; see its conditions: kubectl -n %s describe alertsource %s", key, key.Namespace, key.Name)}
}

// admit reads the body of a sender that proves itself.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, source *Source, room *held) ([]byte, *reply) {
	if no := source.authenticator.header(r.Header); no != nil {
		return nil, &reply{code: http.StatusUnauthorized, message: no.message, field: no.field}
	}
	body, err := s.read(w, r, source, room)
	var no *refusal
	if errors.As(err, &no) {
		return nil, &reply{code: http.StatusUnauthorized, message: no.message, field: no.field}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &reply{code: http.StatusRequestEntityTooLarge, field: "body",
			message: fmt.Sprintf("the body is over spec.maxBodyBytes of the AlertSource, %d bytes; send smaller batches", tooLarge.Limit)}
	}
	if errors.Is(err, errCrowded) {
		return nil, &reply{code: http.StatusServiceUnavailable, message: err.Error() + "; try again"}
	}
	if err != nil {
		return nil, &reply{code: http.StatusBadRequest, field: "body", message: "the body ended early: " + err.Error()}
	}
	return body, nil
}

// read takes in a body and, where that is what proves the sender, checks it. Until
// then it takes nothing of the room of senders that have proved themselves.
func (s *Server) read(w http.ResponseWriter, r *http.Request, source *Source, room *held) ([]byte, error) {
	content := http.MaxBytesReader(w, r.Body, source.maxBodyBytes)
	signed, ok := source.authenticator.(bodyAuthenticator)
	if !ok {
		return io.ReadAll(metered{content, room})
	}
	connection := http.NewResponseController(w)
	stranger := s.room.strangers.enter(content, func() { _ = connection.SetReadDeadline(time.Unix(1, 0)) })
	defer stranger.leave()
	body, err := io.ReadAll(stranger)
	if err != nil {
		return nil, err
	}
	if no := signed.body(r.Header, body); no != nil {
		return nil, no
	}
	return body, room.take(len(body))
}

// store answers only once the event, or the dead letter, is durable.
func (s *Server) store(ctx context.Context, source *Source, body []byte) reply {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if wait := source.exhausted(); wait > 0 {
		return tooFast(source, wait) // not worth parsing
	}
	event, events, err := s.room.clean(ctx, body, source.decoder.Count)
	if events > maxEvents {
		return reply{code: http.StatusRequestEntityTooLarge, field: "body",
			message: fmt.Sprintf("the body holds %d events, at most %d are taken; send smaller batches", events, maxEvents)}
	}
	if wait := source.charge(events); wait > 0 {
		return tooFast(source, wait)
	}
	switch {
	case errors.Is(err, errCrowded):
		return reply{code: http.StatusServiceUnavailable, message: err.Error() + "; try again"}
	case errors.Is(err, errValues):
		return reply{code: http.StatusRequestEntityTooLarge, field: "body", message: err.Error() + "; send smaller batches"}
	case err != nil:
		return s.bury(ctx, source, event, err)
	}
	position, err := s.Store.Publish(ctx, source.namespace, source.name, event)
	switch {
	case errors.Is(err, stream.ErrTooLarge):
		return reply{code: http.StatusRequestEntityTooLarge, field: "body", message: err.Error() + "; send smaller batches"}
	case err != nil:
		return s.unavailable(err)
	}
	return reply{code: http.StatusAccepted, id: position.String()}
}

func tooFast(source *Source, wait time.Duration) reply {
	return reply{code: http.StatusTooManyRequests, wait: wait,
		message: fmt.Sprintf("over spec.rateLimit of the AlertSource, %g events a second; try again", float64(source.limiter.Limit()))}
}

// bury keeps what is left of what an authenticated sender sent although it is not JSON.
func (s *Server) bury(ctx context.Context, source *Source, left []byte, malformed error) reply {
	err := s.Store.Bury(ctx, stream.DeadLetter{
		Namespace: source.namespace, Source: source.name, Class: classMalformed,
		Reason: malformed.Error(), Body: left,
	})
	if err != nil {
		return s.unavailable(err)
	}
	s.Metrics.deadLetters.WithLabelValues(classMalformed).Inc()
	return reply{code: http.StatusBadRequest, field: "body", message: malformed.Error()}
}

func (s *Server) unavailable(err error) reply {
	s.Log.Error(err, "Cannot store an event")
	return reply{code: http.StatusServiceUnavailable, message: "the event could not be stored and has no effect; try again"}
}

func (s *Server) answer(w http.ResponseWriter, r reply) {
	s.Metrics.requests.WithLabelValues(strconv.Itoa(r.code)).Inc()
	if r.code == http.StatusServiceUnavailable || r.code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(r.wait.Seconds())))))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.code)
	// A sender that is gone cannot be told.
	_ = json.NewEncoder(w).Encode(struct {
		ID    string `json:"id,omitempty"`
		Error string `json:"error,omitempty"`
		Field string `json:"field,omitempty"`
	}{r.id, r.message, r.field})
}
