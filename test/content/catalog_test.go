// Package content checks what Tocsin ships against what its connectors offer.
package content

import (
	"fmt"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// catalog offers the real operations of the connectors "cluster" and "memory"; nothing is ever asked.
type catalog map[string]connectors.Connector

func shipped(t testing.TB) catalog {
	t.Helper()
	cluster, err := kubernetes.New(&rest.Config{Host: "https://127.0.0.1:1"}, "soc", "responder", kubernetes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return catalog{"cluster": cluster, connectors.MemoryName: memory.New("soc", nil, nil, nil, nil)}
}

func (c catalog) Operation(connector, name string) (operation.Operation, error) {
	found, ok := c[connector]
	if !ok {
		return operation.Operation{}, fmt.Errorf("no connector %q", connector)
	}
	return connectors.Find(found, name)
}
