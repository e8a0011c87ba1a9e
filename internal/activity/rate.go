package activity

import "time"

const (
	// RateSpan is the span of time in which requests are counted together.
	RateSpan = 5 * time.Minute
	// maxSpans is how many of the latest spans in which an actor was active are counted apart.
	maxSpans = 12
	// rateHalfLife, in spans, of what is usual: a week.
	rateHalfLife = int32(7 * 24 * time.Hour / RateSpan)
)

// rate is how many requests an actor makes. Only spans in which it makes any are
// counted: an actor that wakes up once a day is not expected to be silent.
type rate struct {
	// spans in order; n of them are used.
	spans [maxSpans]span
	n     uint8
	usual usual
}

// span of time in which an actor was active. Its start counts spans from 1970.
type span struct {
	start            int32
	requests, denied uint32
}

// usual sums up older spans, as of decayed.
type usual struct {
	Spans      float64 `json:"spans"`
	Requests   float64 `json:"requests"`
	Peak       float64 `json:"peak"`
	PeakDenied float64 `json:"peakDenied"`
	Decayed    int32   `json:"decayed"`
}

func spanOf(at time.Time) int32 { return int32(at.Unix() / int64(RateSpan/time.Second)) }

func (r *rate) saw(at time.Time, denied bool) {
	s := r.span(spanOf(at))
	if s == nil {
		return // too late to tell
	}
	s.requests++
	if denied {
		s.denied++
	}
}

func (r *rate) used() []span { return r.spans[:r.n] }

// span returns the counts of a span, and nil if it is older than all that are counted apart.
func (r *rate) span(start int32) *span {
	i := int(r.n)
	for ; i > 0 && r.spans[i-1].start >= start; i-- {
		if r.spans[i-1].start == start {
			return &r.spans[i-1]
		}
	}
	if r.n == maxSpans {
		if i == 0 {
			return nil
		}
		r.usual.add(r.spans[0])
		copy(r.spans[:], r.spans[1:])
		r.n--
		i--
	}
	copy(r.spans[i+1:r.n+1], r.spans[i:r.n])
	r.spans[i] = span{start: start}
	r.n++
	return &r.spans[i]
}

func (u *usual) add(s span) {
	if s.start > u.Decayed {
		left := remains(s.start-u.Decayed, rateHalfLife)
		u.Spans, u.Requests, u.Decayed = u.Spans*left, u.Requests*left, s.start
		u.Peak, u.PeakDenied = u.Peak*left, u.PeakDenied*left
	}
	u.Spans++
	u.Requests += float64(s.requests)
	u.Peak, u.PeakDenied = max(u.Peak, float64(s.requests)), max(u.PeakDenied, float64(s.denied))
}

// Rate compares how many requests an actor made with how many it usually makes.
type Rate struct {
	// Requests and Denied (401 or 403) in the busiest span of five minutes from the one
	// before the moment on.
	Requests, Denied int
	// Usual requests in a span in which the actor is active; Peak and PeakDenied are the
	// most. They are from before, and what is long ago counts less.
	Usual, Peak, PeakDenied float64
	// Spans in which the actor was active before.
	Spans float64
}

func (r *rate) about(at time.Time) Rate {
	var found Rate
	u, from := r.usual, spanOf(at)-1
	for _, s := range r.used() {
		if s.start < from {
			u.add(s)
			continue
		}
		found.Requests, found.Denied = max(found.Requests, int(s.requests)), max(found.Denied, int(s.denied))
	}
	found.Peak, found.PeakDenied, found.Spans = u.Peak, u.PeakDenied, u.Spans
	if u.Spans > 0 {
		found.Usual = u.Requests / u.Spans
	}
	return found
}
