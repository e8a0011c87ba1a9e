package stopswitch

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var stopped = promauto.With(metrics.Registry).NewGaugeVec(prometheus.GaugeOpts{
	Name: "tocsin_stopped",
	Help: "1 for each Namespace whose stop switch is set.",
}, []string{"namespace"})
