package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

const (
	// senders that post at the same time.
	ingestSenders = 32
	// rounds of both in turn, so that what else the machine does weighs on both.
	ingestRounds = 4
	ingestRound  = 1500 * time.Millisecond
)

// ingest posts audit events as fast as they are accepted, and publishes the same
// bytes to a JetStream of its own, fsynced, with nothing around it.
func (b *bench) ingest(ctx context.Context) error {
	var s sample
	if err := json.Unmarshal(traffic, &s); err != nil {
		return err
	}
	body := eventList(s.Quiet[0])
	js, stop, err := startJetStream(ctx, b.lab.Dir+"/jetstream")
	if err != nil {
		return err
	}
	defer stop()
	var raw, accepted rate
	for range ingestRounds {
		if err := raw.add(ctx, func(ctx context.Context) error {
			_, err := js.Publish(ctx, "events", body)
			return err
		}); err != nil {
			return err
		}
		if err := accepted.add(ctx, func(ctx context.Context) error { return b.senders.post(ctx, "audit", body) }); err != nil {
			return err
		}
	}
	b.figures.set("ingest_per_s", accepted.perSecond())
	b.figures.set("raw_jetstream_per_s", raw.perSecond())
	b.figures.set("ingest_ratio", accepted.perSecond()/raw.perSecond())
	b.note("%d events of %d bytes accepted", accepted.n, len(body))
	began := time.Now()
	if err := b.drained(ctx, float64(accepted.n)); err != nil {
		return err
	}
	b.note("all of them processed %s later", time.Since(began).Round(time.Millisecond))
	return nil
}

// drained waits until the pipeline has taken that many events of this process from the stream.
func (b *bench) drained(ctx context.Context, events float64) error {
	return lab.Eventually(ctx, time.Minute, "the accepted events to be processed", func(ctx context.Context) (bool, string, error) {
		metrics, err := b.operator.ReadMetrics(ctx)
		if err != nil {
			return false, "", err
		}
		n := metrics.Sum("tocsin_ingest_events_total")
		return n >= events, fmt.Sprintf("%.0f", n), nil
	})
}

// rate of what many senders do at the same time, over several rounds.
type rate struct {
	n    int64
	took time.Duration
}

func (r *rate) perSecond() float64 { return float64(r.n) / r.took.Seconds() }

func (r *rate) add(ctx context.Context, do func(context.Context) error) error {
	var n atomic.Int64
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range ingestSenders {
		group.Go(func() error {
			for time.Since(began) < ingestRound {
				if err := do(ctx); err != nil {
					return err
				}
				n.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	r.n, r.took = r.n+n.Load(), r.took+time.Since(began)
	return err
}

// startJetStream runs JetStream in this process, with every message fsynced.
func startJetStream(ctx context.Context, dir string) (jetstream.JetStream, func(), error) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: true})
	if err != nil {
		return nil, nil, err
	}
	s.Start()
	stop := func() { s.Shutdown(); s.WaitForShutdown() }
	if !s.ReadyForConnections(30 * time.Second) {
		stop()
		return nil, nil, fmt.Errorf("JetStream did not start in %s", dir)
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		stop()
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events"}, Storage: jetstream.FileStorage})
	}
	if err != nil {
		conn.Close()
		stop()
		return nil, nil, err
	}
	return js, func() { conn.Close(); stop() }, nil
}
