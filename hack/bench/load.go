package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

const (
	repeatedEvents = 2000
	openAlerts     = 2000
	megabyte       = 1 << 20
)

// idle reads the memory of the operator before it has seen an event.
func (b *bench) idle(context.Context) error { return b.resident("rss_idle_mb") }

func (b *bench) resident(name string) error {
	bytes, err := b.operator.RSS()
	if err != nil {
		return err
	}
	b.figures.set(name, float64(bytes)/megabyte)
	return nil
}

// repeats posts the same event again and again until its alert counts all of them.
func (b *bench) repeats(ctx context.Context) error {
	const pod = "repeated"
	post := func(ctx context.Context, _ int) error { return b.senders.post(ctx, "falco", falco(reading, pod)) }
	if err := b.audit.Skip(); err != nil {
		return err
	}
	if err := post(ctx, 0); err != nil {
		return err
	}
	if _, err := b.told(ctx, 1); err != nil {
		return err
	}
	if _, err := b.settled(ctx); err != nil {
		return err
	}
	if err := b.audit.Skip(); err != nil {
		return err
	}
	if err := together(ctx, repeatedEvents, post); err != nil {
		return err
	}
	if err := b.counted(ctx, pod, repeatedEvents+1); err != nil {
		return err
	}
	requests, err := b.settled(ctx)
	if err != nil {
		return err
	}
	b.figures.set("writes_per_repeat", float64(count(requests).writes)/repeatedEvents)
	b.note("writes: %s", kinds(requests, lab.Request.Write))
	return nil
}

// counted waits until the alert about a pod counts so many events, and no more.
func (b *bench) counted(ctx context.Context, pod string, events int64) error {
	return lab.Eventually(ctx, time.Minute, fmt.Sprintf("the alert about %s to count %d", pod, events), func(ctx context.Context) (bool, string, error) {
		var alerts v1alpha1.AlertList
		if err := b.admin.List(ctx, &alerts, client.InNamespace(tenant)); err != nil {
			return false, "", err
		}
		for _, a := range alerts.Items {
			if a.Spec.Attributes["k8s.pod.name"] == pod {
				return a.Status.Count == events, fmt.Sprintf("%d", a.Status.Count), nil
			}
		}
		return false, "no alert", nil
	})
}

// memory reads the memory of the operator with many alerts that wait for a human.
func (b *bench) memory(ctx context.Context) error {
	if err := b.audit.Skip(); err != nil {
		return err
	}
	began := time.Now()
	err := together(ctx, openAlerts, func(ctx context.Context, i int) error {
		return b.senders.post(ctx, "falco", falco(reading, numbered("open", i)))
	})
	if err != nil {
		return err
	}
	last, err := b.told(ctx, openAlerts)
	if err != nil {
		return err
	}
	b.note("%d alerts have a verdict after %s", openAlerts, last.Sub(began).Round(time.Millisecond))
	requests, err := b.settled(ctx)
	if err != nil {
		return err
	}
	b.figures.set("writes_per_open_alert", float64(count(requests).writes)/openAlerts)
	b.note("writes: %s", kinds(requests, lab.Request.Write))
	return b.resident("rss_mb")
}
