package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
)

// Metrics are those of a process at one moment, by name and labels.
type Metrics map[string][]sample

type sample struct {
	labels map[string]string
	value  float64
}

// ReadMetrics reads counters and gauges in the text format of Prometheus.
func ReadMetrics(text io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	found := Metrics{}
	for name, family := range families {
		for _, metric := range family.Metric {
			s := sample{labels: map[string]string{}, value: metric.GetCounter().GetValue() + metric.GetGauge().GetValue()}
			for _, label := range metric.Label {
				s.labels[label.GetName()] = label.GetValue()
			}
			found[name] = append(found[name], s)
		}
	}
	return found, nil
}

// Sum adds up what a metric says wherever its labels have some values, given as
// name and value in turn; 0 if it says nothing yet.
func (m Metrics) Sum(name string, labels ...string) float64 {
	sum := 0.0
	for _, s := range m[name] {
		matches := true
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && s.labels[labels[i]] == labels[i+1]
		}
		if matches {
			sum += s.value
		}
	}
	return sum
}

// ReadMetrics reads what the API server tells on /metrics.
func (c *Cluster) ReadMetrics(ctx context.Context) (Metrics, error) {
	clients, err := kubernetes.NewForConfig(c.Admin)
	if err != nil {
		return nil, err
	}
	raw, err := clients.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	return ReadMetrics(bytes.NewReader(raw))
}

// ReadMetrics reads what the operator tells on /metrics.
func (o *Operator) ReadMetrics(ctx context.Context) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.Metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	return ReadMetrics(response.Body)
}
