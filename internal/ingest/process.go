package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

// process does with a message whatever follows from it. Messages up to saved have
// had their effect and are only remembered.
func (r *run) process(ctx context.Context, message stream.Message) error {
	replay := message.Position.Sequence <= r.saved
	source, d, wrong, err := r.source(ctx, message)
	if err != nil {
		return err
	}
	if wrong != nil {
		if replay {
			return nil
		}
		if err := r.bury(ctx, source, r.unreadable(message, source, wrong)); err != nil {
			return err // told to stop: the message comes again
		}
		r.advance(message)
		return nil
	}
	batch := d.decoder.Decode(message.Body, message.Received)
	specs := r.remember(message, source, &batch)
	r.looks.tell(specs, d.window, message.Received)
	if !replay {
		if err := r.effects(ctx, message, source, d, batch, specs); err != nil {
			return err
		}
		r.advance(message)
	}
	r.newest.processed(message, batch)
	return nil
}

// source is the AlertSource of a message, nil if it is gone; wrong says why there is no
// decoding. The error is the context's.
func (r *run) source(ctx context.Context, message stream.Message) (source *v1alpha1.AlertSource, d decoding, wrong, err error) {
	err = r.insist(ctx, "Cannot read an AlertSource", func(ctx context.Context) error {
		source, d, wrong = r.decodings.get(ctx, types.NamespacedName{Namespace: message.Namespace, Name: message.Source})
		if source == nil && !apierrors.IsNotFound(wrong) {
			return wrong
		}
		return nil
	})
	return source, d, wrong, err
}

func (r *run) advance(message stream.Message) {
	r.position, r.heard = message.Position.Sequence, message.Received
}

func (r *run) unreadable(message stream.Message, source *v1alpha1.AlertSource, wrong error) stream.DeadLetter {
	reason := "the AlertSource was deleted before the event was processed"
	if source != nil {
		reason = "the AlertSource is invalid: " + wrong.Error()
	}
	return stream.DeadLetter{
		Namespace: message.Namespace, Source: message.Source, Class: classSource,
		Reason: reason, Origin: message.Position.String(), Body: message.Body,
	}
}

// maxLate is how long before its message an alert may have happened to count as a habit: the
// time is the sender's word, and one message must not tell of weeks of it.
const maxLate = 24 * time.Hour

// remember what a message tells, and return the alerts that it makes, without their looks.
func (r *run) remember(message stream.Message, source *v1alpha1.AlertSource, batch *decode.Batch) []v1alpha1.AlertSpec {
	r.Recorder.Reached(message.Position.Stream, message.Position.Sequence)
	r.Recorder.Connected(message.Namespace, message.Source, source.CreationTimestamp.Time)
	for _, event := range batch.Events {
		r.Recorder.Record(message.Namespace, event.Object, event.At)
		r.Correlator.Observe(message.Namespace, event.Object, event.At)
	}
	for i := range batch.Alerts {
		batch.Alerts[i].Source = message.Source
		r.Recorder.RecordAlert(message.Namespace, batch.Alerts[i])
	}
	specs := lookless(r.Detector, message.Namespace, message.Source, message.Received, batch)
	for _, spec := range specs {
		if message.Received.Sub(spec.FirstSeen.Time) <= maxLate {
			r.Recorder.RecordFiring(message.Namespace, spec)
		}
	}
	return specs
}

func (r *run) effects(ctx context.Context, message stream.Message, source *v1alpha1.AlertSource, d decoding, batch decode.Batch, specs []v1alpha1.AlertSpec) error {
	for _, letter := range letters(message, batch.Failures) {
		if err := r.bury(ctx, source, letter); err != nil {
			return err
		}
	}
	r.Metrics.events.Add(float64(len(batch.Events) + len(batch.Alerts)))
	for _, g := range groups(specs, d.window) {
		g.raw = batch.Raw[g.spec.RawDigest]
		if err := r.count(ctx, g, message); err != nil {
			return err
		}
	}
	return nil
}

// maxLetters of one message; each costs a write, and takes room of other tenants' letters.
const maxLetters = 100

// letters are the dead letters for the parts of a message that failed. What is beyond
// the limit is together in the last one, a part a line.
func letters(message stream.Message, failures []decode.Failure) []stream.DeadLetter {
	var found []stream.DeadLetter
	for i, failure := range failures[:min(len(failures), maxLetters)] {
		found = append(found, stream.DeadLetter{
			Namespace: message.Namespace, Source: message.Source, Class: string(failure.Class),
			Reason: failure.Err.Error(), Origin: fmt.Sprintf("%s/%d", message.Position, i), Body: failure.Body,
		})
	}
	if len(failures) <= maxLetters {
		return found
	}
	last := &found[maxLetters-1]
	rest := failures[maxLetters:]
	last.Reason = fmt.Sprintf("(and %d more parts) %s", len(rest), last.Reason)
	last.Body = slices.Clone(last.Body)
	for _, failure := range rest {
		last.Body = append(append(last.Body, '\n'), failure.Body...)
	}
	return found
}

// Specs are the alerts of what a source sent: what the sender reports and what
// detection finds, made whole. The batch keeps the raw events of both.
func Specs(detector Detector, namespace, source string, received time.Time, batch *decode.Batch) []v1alpha1.AlertSpec {
	specs := lookless(detector, namespace, source, received, batch)
	for i, spec := range specs {
		specs[i].Fingerprint = OfLook(spec.Fingerprint, activity.Look(spec))
	}
	return specs
}

// lookless are Specs whose fingerprints do not tell how they look.
func lookless(detector Detector, namespace, source string, received time.Time, batch *decode.Batch) []v1alpha1.AlertSpec {
	specs := batch.Alerts
	for _, event := range batch.Events {
		found := detector.Detect(namespace, event.Object)
		for _, spec := range found {
			spec.RawDigest = batch.Keep(event.Raw)
			if spec.FirstSeen.IsZero() {
				spec.FirstSeen.Time = event.At
			}
			decode.Bound(&spec, received)
			specs = append(specs, spec)
		}
	}
	for i := range specs {
		specs[i].Source = source
		specs[i].Fingerprint = Fingerprint(namespace, source, specs[i].Rule, specs[i].Fingerprint, specs[i].Entities)
	}
	return specs
}

// count makes a group of events a repeat or a new alert.
func (r *run) count(ctx context.Context, g group, message stream.Message) error {
	sequence := message.Position.Sequence
	known := r.table.latest[g.spec.Fingerprint]
	if known != nil && sequence <= known.through {
		return nil // counted before a restart
	}
	if known != nil && known.repeats(g.spec.FirstSeen.Time) && r.stillTakes(known, g.spec.FirstSeen.Time) {
		r.table.repeat(known, g, message, r.Clock.Now())
		r.Metrics.repeats.Add(float64(g.events))
		return nil
	}
	if known != nil {
		if err := r.finish(ctx, known); err != nil {
			return err
		}
	}
	return r.create(ctx, g, message)
}

// stillTakes says whether an event may count towards an alert of a closed case. What
// a human closed takes none: nobody looks there again. What closed by itself takes
// them for one window, since what explained it then need not explain it for ever.
func (r *run) stillTakes(e *tracked, at time.Time) bool {
	closed, byHuman := r.Correlator.Closed(e.key.Namespace, e.investigation)
	return !closed || !byHuman && !at.After(e.firstSeen.Add(e.window))
}

// foremost is before every severity.
const foremost = math.MaxInt

// finish writes all that is known of an alert before a newer one with the same
// fingerprint is made, since that one's position vouches for everything before it.
func (r *run) finish(ctx context.Context, e *tracked) error {
	for r.table.pending[e] {
		r.waiting.Raise(e.place, foremost) // everything else waits for it now
		if err := r.awaitCreation(ctx); err != nil {
			return err
		}
	}
	if !r.table.dirty[e] {
		return nil
	}
	err := r.insist(ctx, "Cannot write the count of an Alert", func(ctx context.Context) error { return r.save(ctx, e) })
	if err != nil && !rejected(err) {
		return err
	}
	r.saveEnded(e, err)
	return nil
}

// bury stores a dead letter and tells people.
func (r *run) bury(ctx context.Context, source *v1alpha1.AlertSource, letter stream.DeadLetter) error {
	err := r.insist(ctx, "Cannot store a dead letter", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		return r.Stream.Bury(ctx, letter)
	})
	if err != nil {
		return errors.Join(err, fmt.Errorf("dead letter %s: %s", letter.Origin, letter.Reason))
	}
	r.Metrics.deadLetters.WithLabelValues(letter.Class).Inc()
	r.Log.Info("Put an event aside", "namespace", letter.Namespace, "source", letter.Source,
		"origin", letter.Origin, "class", letter.Class, "reason", letter.Reason)
	r.notices.deadLetter(source, letter, r.Clock.Now())
	return nil
}
