package ingest

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

// DefaultFlushInterval is how soon the first repeats of an alert show in its status.
const DefaultFlushInterval = 15 * time.Second

// Detector finds alerts in raw audit events, by the rules of a namespace. The
// specs lack source and digest, and their fingerprint tells only what was done.
type Detector interface {
	Detect(namespace string, event map[string]any) []v1alpha1.AlertSpec
}

// Recorder remembers what happened. It is told of each stored event once per
// process, the retained ones included.
type Recorder interface {
	// Reached comes before the events of a message, with its place in the stream.
	Reached(stream string, sequence uint64)
	// Record takes a raw audit event.
	Record(namespace string, event map[string]any, at time.Time)
	// Connected takes since when a source is there, before its events.
	Connected(namespace, source string, since time.Time)
	// RecordAlert takes an event that is an alert by itself, repeats included.
	RecordAlert(namespace string, spec v1alpha1.AlertSpec)
	// RecordFiring takes every alert that is reported or detected, repeats included, after
	// the events of its message and only once.
	RecordFiring(namespace string, spec v1alpha1.AlertSpec)
}

// Correlator names the Investigation that a new alert joins; empty for none yet. It
// knows those that take no further alerts.
type Correlator interface {
	// Observe learns from a raw audit event what belongs together.
	Observe(namespace string, event map[string]any, at time.Time)
	Closed(namespace, investigation string) (closed, byHuman bool)
	// Joins are further Investigations that turn out to be the same case.
	Join(namespace, name string, spec v1alpha1.AlertSpec) (investigation string, joins []string)
}

// Archive keeps raw events, and counts how often rules fire.
type Archive interface {
	PutAlerts(ctx context.Context, alerts ...archive.Alert) error
}

// Events tells people, through Kubernetes events.
type Events interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// Pipeline turns stored events into Alerts, in order, on the leader. What it has
// to do with a message is in the API server, or among the dead letters, before the
// message counts as processed; a message that comes again changes nothing.
type Pipeline struct {
	Stream *stream.Stream
	// Sources reads AlertSources, from a cache.
	Sources    client.Reader
	Alerts     Alerts
	Archive    Archive
	Detector   Detector
	Recorder   Recorder
	Correlator Correlator
	Events     Events
	Metrics    *Metrics
	Clock      clock.WithTicker
	// FlushInterval between an alert's first repeat and the write of its count;
	// it doubles while the alert keeps repeating.
	FlushInterval time.Duration
	// Ready returns once the detector has every rule that is in force; nil if it always has.
	Ready func(context.Context) error
	// Remembered is called once all that was stored before the start is remembered; nil if nobody waits for that.
	Remembered func()
	Log        logr.Logger
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (p *Pipeline) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (p *Pipeline) Start(ctx context.Context) error {
	if p.Ready != nil {
		if err := p.Ready(ctx); err != nil {
			return stopped(ctx, err)
		}
	}
	r := newRun(p)
	if err := r.seed(ctx); err != nil {
		return stopped(ctx, err)
	}
	reader, err := p.Stream.Read(ctx)
	if err != nil {
		return stopped(ctx, err)
	}
	defer reader.Close()
	return r.loop(ctx, reader)
}

// stopped hides errors that come from being told to stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
