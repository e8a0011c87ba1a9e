package external

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

//go:embed sources.yaml
var sources []byte

// Sources are mappings that a tenant could write for senders for which none ships.
func Sources() (map[string]v1alpha1.GenericMapping, error) {
	var all map[string]v1alpha1.GenericMapping
	if err := yaml.UnmarshalStrict(sources, &all); err != nil {
		return nil, fmt.Errorf("sources.yaml: %w", err)
	}
	return all, nil
}

// Parsed is what came of the bodies of a sender.
type Parsed struct {
	Bodies int `json:"bodies"`
	Alerts int `json:"alerts"`
	// Failures say why a part of a body became no alert.
	Failures []string `json:"failures,omitempty"`
}

// Parse takes bodies in as ingest does.
func Parse(mapping v1alpha1.GenericMapping, bodies [][]byte) (Parsed, error) {
	decoder, err := decode.New(&v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: &mapping})
	if err != nil {
		return Parsed{}, err
	}
	p := Parsed{Bodies: len(bodies)}
	for i, body := range bodies {
		clean, err := ingest.Clean(body)
		if err != nil {
			p.Failures = append(p.Failures, fmt.Sprintf("body %d: %v", i+1, err))
			continue
		}
		batch := decoder.Decode(clean, time.Unix(0, 0))
		p.Alerts += len(batch.Alerts)
		for _, f := range batch.Failures {
			p.Failures = append(p.Failures, fmt.Sprintf("body %d: %v", i+1, f.Err))
		}
	}
	return p, nil
}

// ReadEvents reads an event a line, out of the row that labels it.
func ReadEvents(lines io.Reader) ([][]byte, error) {
	var bodies [][]byte
	err := eachLine(lines, func(line []byte) error {
		var row struct {
			Event json.RawMessage `json:"event"`
		}
		err := json.Unmarshal(line, &row)
		bodies = append(bodies, row.Event)
		return err
	})
	return bodies, err
}
