package ingest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

const (
	// maxCreations run at the same time; alerts are decided on in order, but need not wait for each other's write.
	maxCreations = 16
	// maxWaiting alerts wait for their creation, with events of maxWaitingBytes; then
	// no further message is read.
	maxWaiting      = 16 << 10
	maxWaitingBytes = 32 << 20
)

// creation is an alert on its way into the API server, and what became of it: err is
// nil, a rejection, or the context's. Existing is the alert that was there before.
type creation struct {
	tracked  *tracked
	alert    *v1alpha1.Alert
	raw      []byte
	existing *v1alpha1.Alert
	err      error
}

// create has an alert for a group created, as soon as nothing worse waits for that.
func (r *run) create(ctx context.Context, g group, message stream.Message) error {
	for r.waiting.Len() >= maxWaiting || r.waiting.Len() > 0 && r.waitingBytes+len(g.raw) > maxWaitingBytes {
		if err := r.awaitCreation(ctx); err != nil {
			return err
		}
	}
	alert := r.alert(g, message)
	e := r.table.begin(alert, g, message)
	e.place = r.waiting.Push(creation{tracked: e, alert: alert, raw: g.raw}, g.spec.Severity.Rank())
	r.waitingBytes += len(g.raw)
	r.startCreations(ctx)
	return nil
}

// startCreations starts as many as there may be, of the most severe alerts.
func (r *run) startCreations(ctx context.Context) {
	for r.creating < maxCreations && r.waiting.Len() > 0 {
		c := r.waiting.Pop()
		r.waitingBytes -= len(c.raw)
		r.creating++
		go func() {
			c.existing, c.err = r.store(ctx, c.alert, c.raw)
			r.created <- c
		}()
	}
}

func (r *run) alert(g group, message stream.Message) *v1alpha1.Alert {
	alert := &v1alpha1.Alert{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: message.Namespace, Name: AlertName(g.spec),
			Annotations: map[string]string{AnnotationPosition: message.Position.String()},
		},
		Spec: g.spec,
	}
	if g.events > 1 {
		alert.Annotations[AnnotationEvents] = strconv.FormatInt(g.events, 10)
	}
	investigation, joins := r.Correlator.Join(alert.Namespace, alert.Name, alert.Spec)
	if investigation != "" {
		alert.Labels = map[string]string{v1alpha1.LabelInvestigation: investigation}
	}
	if len(joins) > 0 {
		alert.Annotations[v1alpha1.AnnotationJoins] = strings.Join(joins, ",")
	}
	return alert
}

// store runs beside the loop. The archive comes first: what an alert refers to is there,
// and whoever investigates it finds it counted. An alert that exists was created before
// a restart.
func (r *run) store(ctx context.Context, alert *v1alpha1.Alert, raw []byte) (existing *v1alpha1.Alert, err error) {
	err = r.insist(ctx, "Cannot archive an Alert", func(ctx context.Context) error {
		return r.Archive.PutAlerts(ctx, archive.Alert{
			Namespace: alert.Namespace, Name: alert.Name, Rule: alert.Spec.Rule, FirstSeen: alert.Spec.FirstSeen.Time, Raw: raw,
		})
	})
	if err != nil {
		return nil, err
	}
	key := types.NamespacedName{Namespace: alert.Namespace, Name: alert.Name}
	err = r.insist(ctx, "Cannot create an Alert", func(ctx context.Context) error {
		err := r.Alerts.Create(ctx, alert.DeepCopy())
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		existing, err = r.Alerts.Get(ctx, key)
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("alert %s went while it was looked at", key)
		}
		return err
	})
	if err == nil && existing != nil && existing.Spec.Fingerprint != alert.Spec.Fingerprint {
		err = apierrors.NewBadRequest(fmt.Sprintf("another Alert is named %s", key))
	}
	return existing, err
}

func (r *run) awaitCreation(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c := <-r.created:
		return r.settle(ctx, c)
	}
}

// settle takes in what became of a creation.
func (r *run) settle(ctx context.Context, c creation) error {
	r.creating--
	if c.err != nil && !rejected(c.err) {
		return c.err // told to stop; the messages stay unprocessed
	}
	r.startCreations(ctx)
	if c.err != nil {
		return r.refuse(ctx, c)
	}
	if c.existing == nil {
		r.Metrics.created.Inc()
	}
	r.table.settle(c, r.Clock.Now())
	return nil
}

func (t *table) settle(c creation, now time.Time) {
	if c.existing != nil {
		t.exists(c.tracked, c.existing, now)
		return
	}
	t.created(c.tracked, now)
}

// refuse puts aside every message of an alert that the API server does not take. A
// letter holds the whole message, so that one does for all of its alerts.
func (r *run) refuse(ctx context.Context, c creation) error {
	e := c.tracked
	for _, tally := range e.creating {
		if tally.sequence == r.refused {
			r.Log.Info("The API server refuses another Alert of an event that was put aside", "alert", e.key, "reason", c.err.Error())
			continue
		}
		message, err := r.Stream.Message(ctx, tally.sequence)
		if err != nil {
			return err
		}
		source, _, _, err := r.source(ctx, message)
		if err != nil {
			return err
		}
		err = r.bury(ctx, source, stream.DeadLetter{
			Namespace: message.Namespace, Source: message.Source, Class: classRejected,
			Reason: "the API server refuses the Alert: " + c.err.Error(),
			Origin: message.Position.String() + "/rejected", Body: message.Body,
		})
		if err != nil {
			return err
		}
		r.refused = tally.sequence
	}
	r.table.forget(e)
	return nil
}
