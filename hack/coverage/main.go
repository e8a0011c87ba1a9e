// Command coverage writes docs/coverage.md: ATT&CK for Containers, technique by
// technique, what that ships detects it, and what responds.
package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/rest"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

func main() {
	if err := run("config", "docs/coverage.md"); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(config, out string) error {
	offered, err := operations()
	if err != nil {
		return err
	}
	content, err := read(config, offered)
	if err != nil {
		return err
	}
	page, err := content.page()
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(page), 0o644)
}

// catalog offers the operations that playbooks name; nothing is ever asked.
type catalog map[string]connectors.Connector

func operations() (catalog, error) {
	cluster, err := kubernetes.New(&rest.Config{Host: "https://127.0.0.1:1"}, "soc", "responder", kubernetes.Options{})
	if err != nil {
		return nil, err
	}
	return catalog{"cluster": cluster, connectors.MemoryName: memory.New("soc", nil, nil, nil, nil)}, nil
}

// Operation implements operation.Catalog.
func (c catalog) Operation(connector, name string) (operation.Operation, error) {
	found, ok := c[connector]
	if !ok {
		return operation.Operation{}, fmt.Errorf("no connector %q", connector)
	}
	return connectors.Find(found, name)
}
