package responseaction

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tocsin-dev/tocsin/internal/response"
)

var actionsTotal = promauto.With(metrics.Registry).NewCounterVec(prometheus.CounterOpts{
	Name: "tocsin_actions_total",
	Help: "ResponseActions that ended, by operation and by how: Succeeded, Skipped, Failed, Unknown, Denied, GuardRail or Expired.",
}, []string{"operation", "outcome"})

// count counts an action in the write that settles it.
func count(r *run) {
	if response.Settled(r.action) && !response.Settled(r.stored) {
		actionsTotal.WithLabelValues(r.job.operation.Name, response.Standing(r.action)).Inc()
	}
}
