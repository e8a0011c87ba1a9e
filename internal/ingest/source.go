// Package ingest takes events in: over HTTP, authenticated, into the durable
// stream; and from the stream, on the leader, into Alerts.
package ingest

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

// Defaults of AlertSources that leave a field out.
const (
	defaultWindow       = time.Hour
	defaultMaxBodyBytes = 8 << 20
	defaultPerSecond    = 200
	defaultBurst        = 1000
)

// Source is an AlertSource in force: what it takes to receive for it.
type Source struct {
	namespace, name string
	authenticator   authenticator
	limiter         *rate.Limiter
	maxBodyBytes    int64
	// held is the memory that its bodies may take.
	held *semaphore.Weighted
}

// Compile checks an AlertSource with the content of the Secret key that it points
// to. The error names each field that is wrong.
func Compile(src *v1alpha1.AlertSource, secret []byte) (*Source, error) {
	_, decodes := newDecoding(src)
	authenticator, err := newAuthenticator(src.Spec.Authentication, secret)
	if err := errors.Join(decodes, err); err != nil {
		return nil, err
	}
	s := &Source{
		namespace: src.Namespace, name: src.Name, authenticator: authenticator,
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

// decoding is what it takes to process the stored events of an AlertSource. It needs no Secret.
type decoding struct {
	decoder decode.Decoder
	// window within which an event is a repeat of the one before.
	window time.Duration
}

func newDecoding(src *v1alpha1.AlertSource) (decoding, error) {
	d := decoding{window: defaultWindow}
	if w := src.Spec.DeduplicationWindow; w != nil {
		if w.Duration < 0 {
			return d, fmt.Errorf("spec.deduplicationWindow: %s: must not be negative", w.Duration)
		}
		d.window = w.Duration
	}
	var err error
	d.decoder, err = decode.New(&src.Spec)
	return d, err
}
