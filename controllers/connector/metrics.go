package connector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var circuitOpen = promauto.With(metrics.Registry).NewGaugeVec(prometheus.GaugeOpts{
	Name: "tocsin_connector_circuit_open",
	Help: "1 for each Connector whose tool is not called, since it did not answer several calls in a row; else 0.",
}, []string{"namespace", "connector"})
