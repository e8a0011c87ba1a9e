package approval

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var approvalsTotal = promauto.With(metrics.Registry).NewCounterVec(prometheus.CounterOpts{
	Name: "tocsin_approvals_total",
	Help: "Rulings on Approvals, by reason: Counted, or why one does not count.",
}, []string{"reason"})
