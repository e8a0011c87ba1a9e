package lab_test

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

func TestMetrics(t *testing.T) {
	metrics, err := lab.ReadMetrics(strings.NewReader(`# TYPE audit_error_total counter
audit_error_total{plugin="webhook",node="a"} 3
audit_error_total{plugin="webhook",node="b"} 4
audit_error_total{plugin="log",node="a"} 50
# TYPE newest gauge
newest{namespace="soc",source="audit"} 1.764028800123456e+09
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		metric string
		labels []string
		want   float64
	}{
		"of all":              {"audit_error_total", nil, 57},
		"of some":             {"audit_error_total", []string{"plugin", "webhook"}, 7},
		"of one":              {"audit_error_total", []string{"plugin", "webhook", "node", "b"}, 4},
		"of none":             {"audit_error_total", []string{"plugin", "buffered"}, 0},
		"a gauge":             {"newest", []string{"source", "audit", "namespace", "soc"}, 1764028800.123456},
		"what is not counted": {"audit_event_total", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := metrics.Sum(c.metric, c.labels...); got != c.want {
				t.Errorf("got %f, want %f", got, c.want)
			}
		})
	}
	if _, err := lab.ReadMetrics(strings.NewReader("<html>")); err == nil {
		t.Error("a page that is no metrics: no error")
	}
}
