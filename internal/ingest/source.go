// Package ingest takes events in: over HTTP, authenticated, into the durable
// stream; and from the stream, on the leader, into Alerts.
package ingest

import (
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

// Defaults of AlertSources that leave a field out.
const (
	defaultMaxBodyBytes = 8 << 20
	defaultPerSecond    = 2000
	defaultBurst        = 20_000
)

// maxEvents of one body.
const maxEvents = 10_000

// Source is an AlertSource in force: what it takes to receive for it.
type Source struct {
	namespace, name string
	authenticator   authenticator
	decoder         decode.Decoder
	limiter         *rate.Limiter
	maxBodyBytes    int64
	// held is the memory that its bodies may take.
	held *semaphore.Weighted
}

// Compile checks an AlertSource with the content of the Secret key that it points
// to. The error names each field that is wrong.
func Compile(src *v1alpha1.AlertSource, secret []byte) (*Source, error) {
	decoding, decodes := newDecoding(src)
	authenticator, err := newAuthenticator(src.Spec.Authentication, secret)
	if err := errors.Join(decodes, err); err != nil {
		return nil, err
	}
	s := &Source{
		namespace: src.Namespace, name: src.Name, authenticator: authenticator, decoder: decoding.decoder,
		limiter: rate.NewLimiter(defaultPerSecond, defaultBurst), maxBodyBytes: src.Spec.MaxBodyBytes,
		held: semaphore.NewWeighted(maxHeldOfSource),
	}
	if limit := src.Spec.RateLimit; limit != nil {
		s.limiter = rate.NewLimiter(rate.Limit(limit.PerSecond), int(limit.Burst))
	}
	if s.maxBodyBytes == 0 {
		s.maxBodyBytes = defaultMaxBodyBytes
	}
	return s, nil
}

// charge counts events against the rate limit. Where they are too many for now it
// counts none and says how long to wait. A batch beyond the burst passes when the
// whole burst is there; what comes next waits for the rest of it.
func (s *Source) charge(events int) (wait time.Duration) {
	now, burst := time.Now(), s.limiter.Burst()
	if part := min(events, burst); !s.limiter.AllowN(now, part) {
		return max(time.Nanosecond, s.until(part, now))
	}
	for events -= burst; events > 0; events -= burst {
		s.limiter.ReserveN(now, min(events, burst))
	}
	return 0
}

// exhausted says how long not even one event may come.
func (s *Source) exhausted() time.Duration { return s.until(1, time.Now()) }

func (s *Source) until(events int, now time.Time) time.Duration {
	missing := float64(events) - s.limiter.TokensAt(now)
	return max(0, time.Duration(missing/float64(s.limiter.Limit())*float64(time.Second)))
}

// decoding is what it takes to process the stored events of an AlertSource. It needs no Secret.
type decoding struct {
	decoder decode.Decoder
	// window within which an event is a repeat of the one before.
	window time.Duration
}

func newDecoding(src *v1alpha1.AlertSource) (decoding, error) {
	window, invalid := decode.Window(&src.Spec)
	decoder, err := decode.New(&src.Spec)
	return decoding{decoder: decoder, window: window}, errors.Join(invalid, err)
}
