package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// heard waits until Tocsin has processed the audit events of all that was done so
// far. They come in batches, later and not in order: what sets the stage would
// else be taken for a part of the attack.
func (p *play) heard(ctx context.Context) error {
	const newest = "tocsin_ingest_newest_event_timestamp_seconds"
	staged := time.Now()
	p.say("wait until %s of soc/audit is after %s, and no older event is on its way: what set the stage must not look like an attack",
		newest, staged.UTC().Format("15:04:05"))
	err := lab.Eventually(ctx, time.Minute, "an audit event of what was done after the stage was set", func(ctx context.Context) (bool, string, error) {
		// Something must happen for it to be told.
		if err := p.admin.Get(ctx, types.NamespacedName{Namespace: "soc", Name: "audit-token"}, &corev1.Secret{}); err != nil {
			return false, "", err
		}
		metrics, err := p.operator.ReadMetrics(ctx)
		if err != nil {
			return false, "", err
		}
		at := time.UnixMicro(int64(metrics.Sum(newest, "namespace", "soc", "source", "audit") * 1e6))
		return at.After(staged), "the newest is of " + at.UTC().Format(time.RFC3339), nil
	})
	if err != nil || p.cluster == nil { // a given cluster's log is sent in order
		return err
	}
	if err := lab.Eventually(ctx, time.Minute, "every audit event to have come", p.nothingUnderWay); err != nil {
		return err
	}
	p.say("all of it is known after %s", time.Since(staged).Round(100*time.Millisecond))
	return nil
}

// nothingUnderWay says whether each audit event was processed, or given up by the
// API server: it repeats for half a minute what nobody took while Tocsin was not there.
// The events that there are are counted last, so that none is missed.
func (p *play) nothingUnderWay(ctx context.Context) (bool, string, error) {
	operator, err := p.operator.ReadMetrics(ctx)
	if err != nil {
		return false, "", err
	}
	server, err := p.cluster.ReadMetrics(ctx)
	if err != nil {
		return false, "", err
	}
	processed := operator.Sum("tocsin_ingest_events_total")
	lost := server.Sum("apiserver_audit_error_total")
	events := server.Sum("apiserver_audit_event_total")
	return processed+lost >= events, fmt.Sprintf("of %.0f audit events %.0f were processed, %.0f given up", events, processed, lost), nil
}
