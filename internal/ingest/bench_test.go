package ingest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

const (
	// senders at a time, as many as a cluster's nodes would be.
	senders = 32
	// rounds of both in turn, so that what else the machine does weighs on both.
	rounds = 10
)

// BenchmarkAccept compares events accepted over HTTP with what JetStream itself
// stores, fsynced, at the same concurrency: the metric "ratio" should be at least 0.7.
func BenchmarkAccept(b *testing.B) {
	body := fmt.Appendf(nil, `{"rule":"Terminal shell in container","priority":"Notice","output":%q,"output_fields":{"k8s.ns.name":"shop","k8s.pod.name":"web-0","proc.cmdline":"sh -c id"}}`,
		strings.Repeat("A shell was spawned in a container. ", 36))
	store, err := stream.Open(b.Context(), stream.Config{Dir: b.TempDir(), MaxBytes: 4 << 30})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(store.Close)
	src := source("bench", v1alpha1.FormatFalco)
	src.Spec.RateLimit = &v1alpha1.RateLimit{PerSecond: 100000, Burst: 100000}
	compiled, err := ingest.Compile(src, []byte(token))
	if err != nil {
		b.Fatal(err)
	}
	sources := ingest.NewSources()
	sources.Set(compiled)
	web := httptest.NewServer((&ingest.Server{
		Sources: sources, Store: store, Metrics: ingest.NewMetrics(prometheus.NewRegistry()), Log: logr.Discard(),
	}).Handler())
	b.Cleanup(web.Close)
	sender := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}

	var raw, overHTTP time.Duration
	for range rounds {
		raw += together(b, func() error {
			_, err := store.Publish(b.Context(), "shop", "bench", body)
			return err
		})
		overHTTP += together(b, func() error { return post(sender, web.URL+"/v1/sources/shop/bench", body) })
	}
	b.ReportMetric(rounds*float64(b.N)/raw.Seconds(), "raw/s")
	b.ReportMetric(rounds*float64(b.N)/overHTTP.Seconds(), "http/s")
	b.ReportMetric(raw.Seconds()/overHTTP.Seconds(), "ratio")
}

// together does b.N times what the senders do at the same time.
func together(b *testing.B, do func() error) time.Duration {
	work := make(chan struct{})
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for range work {
				if err := do(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	begin := time.Now()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	group.Wait()
	return time.Since(begin)
}

func post(sender *http.Client, url string, body []byte) error {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := sender.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return err
}
