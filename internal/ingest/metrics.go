package ingest

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what comes in and what becomes of it.
type Metrics struct {
	requests    *prometheus.CounterVec
	events      prometheus.Counter
	created     prometheus.Counter
	repeats     prometheus.Counter
	deadLetters *prometheus.CounterVec
	newest      *prometheus.GaugeVec
}

// NewMetrics registers the metrics of ingest.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_ingest_" + name, Help: help})
	}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_ingest_requests_total", Help: "Requests of senders, by status code.",
		}, []string{"code"}),
		events:  counter("events_total", "Events taken from the stream."),
		created: counter("alerts_created_total", "Alerts created."),
		repeats: counter("repeats_total", "Events that were repeats of an open alert."),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_ingest_dead_letters_total", Help: "What had no effect and was put aside, by class of reason.",
		}, []string{"reason"}),
		newest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tocsin_ingest_newest_event_timestamp_seconds", Help: "When the newest event processed of an AlertSource happened.",
		}, []string{"namespace", "source"}),
	}
	registry.MustRegister(m.requests, m.events, m.created, m.repeats, m.deadLetters, m.newest)
	return m
}

// Classes of reasons for dead letters, beside those of package decode.
const (
	classMalformed = "malformed"
	classSource    = "source"
	classRejected  = "rejected"
)
