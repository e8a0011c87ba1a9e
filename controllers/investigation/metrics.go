package investigation

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var gradedCases = promauto.With(metrics.Registry).NewGaugeVec(prometheus.GaugeOpts{
	Name: "tocsin_graded_cases",
	Help: "Cases that a human graded, by the verdict of the analyst, by that of the human, and by whether they agree.",
}, []string{"analyst", "human", "agree"})

// showAgreement sets the metric to what the archive knows, so that neither a restart
// nor a grade that is replaced counts a case twice.
func (i *Investigator) showAgreement(ctx context.Context) error {
	all, err := i.Archive.Agreement(ctx)
	for _, a := range all {
		gradedCases.WithLabelValues(string(a.Analyst), string(a.Human), strconv.FormatBool(a.Analyst == a.Human)).Set(float64(a.Cases))
	}
	return err
}
