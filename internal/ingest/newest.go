package ingest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

// newest tells of each AlertSource when the newest of its processed events
// happened, so that one that fell silent or lags behind shows.
type newest struct {
	gauge *prometheus.GaugeVec
	at    map[types.NamespacedName]time.Time
}

func newNewest(m *Metrics) newest {
	return newest{gauge: m.newest, at: map[types.NamespacedName]time.Time{}}
}

// processed takes in a message whose effects are under way. A sender's clock that
// is ahead must not hide that nothing comes any more.
func (n newest) processed(message stream.Message, batch decode.Batch) {
	key := types.NamespacedName{Namespace: message.Namespace, Name: message.Source}
	happened := func(at time.Time) {
		if at.After(message.Received) {
			at = message.Received
		}
		if at.After(n.at[key]) {
			n.at[key] = at
			n.gauge.WithLabelValues(key.Namespace, key.Name).Set(float64(at.UnixMicro()) / 1e6)
		}
	}
	for _, event := range batch.Events {
		happened(event.At)
	}
	for _, spec := range batch.Alerts {
		happened(spec.FirstSeen.Time)
	}
}

// sweep drops the AlertSources that are gone: nobody waits for their events.
func (n newest) sweep(gone func(types.NamespacedName) bool) {
	for key := range n.at {
		if gone(key) {
			delete(n.at, key)
			n.gauge.DeleteLabelValues(key.Namespace, key.Name)
		}
	}
}
