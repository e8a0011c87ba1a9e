package memory

import (
	"testing"

	"github.com/tocsin-dev/tocsin/connectors/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Connector: New("soc", remember(), records{}, records{}, clock),
		Questions: []conformance.Question{
			{Name: "related-events", Arguments: map[string]any{"entities": []any{"Workload:Deployment/shop/web"}, "since": "2026-03-01T11:00:00Z"}},
			{Name: "novelty", Arguments: map[string]any{"actor": "alice", "verb": "get", "resource": "pods", "namespace": "shop", "before": "2026-03-01T12:00:00Z"}},
			{Name: "recurrence", Arguments: map[string]any{"source": "audit", "rule": "exec", "actor": "alice", "namespace": "shop", "before": "2026-03-01T12:00:00Z"}},
			{Name: "unfamiliar", Arguments: map[string]any{
				"source": "audit", "rule": "copied", "actor": "alice", "namespace": "shop", "before": "2026-03-01T12:00:00Z", "title": "", "attributes": map[string]any{"command": "curl"},
			}},
			{Name: "origin", Arguments: map[string]any{"actor": builder, "since": "2026-03-01T12:00:00Z"}},
			{Name: "departures", Arguments: map[string]any{"actor": builder, "at": "2026-03-01T12:00:00Z"}},
			{Name: "process-novelty", Arguments: map[string]any{"process": "/bin/sh", "workload": "Deployment/shop/web", "before": "2026-03-01T12:00:00Z"}},
			{Name: "destination-novelty", Arguments: map[string]any{"destination": "203.0.113.7", "pod": "shop/web-0", "before": "2026-03-01T12:00:00Z"}},
			{Name: "image-novelty", Arguments: map[string]any{"image": "ghcr.io/shop/web", "namespace": "shop", "before": "2026-03-01T12:00:00Z"}},
			{Name: "rate", Arguments: map[string]any{"actor": "system:serviceaccount:flux-system:kustomize-controller", "at": "2026-03-01T12:00:00Z"}},
			{Name: "rule-history", Arguments: map[string]any{"rule": "shell"}},
			{Name: "automation", Arguments: map[string]any{"actor": "ci", "namespace": "shop"}},
			{Name: "rollout", Arguments: map[string]any{"actor": "alice", "namespace": "shop", "at": "2026-03-01T12:00:00Z"}},
		},
	})
}
