package responseaction

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

var actionsTotal = promauto.With(metrics.Registry).NewCounterVec(prometheus.CounterOpts{
	Name: "tocsin_actions_total",
	Help: "ResponseActions that ended, by operation and by how: Succeeded, Skipped, Failed, Unknown, Denied, GuardRail, ConditionNotMet or Expired.",
}, []string{"operation", "outcome"})

var breakGlassTotal = promauto.With(metrics.Registry).NewCounterVec(prometheus.CounterOpts{
	Name: "tocsin_break_glass_total",
	Help: "ResponseActions that one person of tier break-glass authorized alone, by namespace.",
}, []string{"namespace"})

var overdueTotal = promauto.With(metrics.Registry).NewCounterVec(prometheus.CounterOpts{
	Name: "tocsin_approvals_overdue_total",
	Help: "Times that people were told that an action still waits for them, by namespace and by how: Reminder or Escalated.",
}, []string{"namespace", "how"})

// count counts what a write says for the first time.
func count(r *run) {
	if glassBroken(r.stored, r.action) {
		breakGlassTotal.WithLabelValues(r.action.Namespace).Inc()
	}
	if escalated(r.stored, r.action) {
		overdueTotal.WithLabelValues(r.action.Namespace, v1alpha1.ReasonEscalated).Inc()
	}
	if reminded(r.stored, r.action) {
		overdueTotal.WithLabelValues(r.action.Namespace, eventReminder).Inc()
	}
	if response.Settled(r.action) && !response.Settled(r.stored) {
		actionsTotal.WithLabelValues(r.job.operation.Name, response.Standing(r.action)).Inc()
	}
}
