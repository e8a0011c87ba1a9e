package connectors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// MemoryName is the connector that every namespace has: what Tocsin itself remembers.
const MemoryName = "memory"

// Factory makes a connector of one type from its configuration.
type Factory func(ctx context.Context, spec *v1alpha1.Connector) (Connector, error)

// Factories holds a factory for each type. Registration is explicit: see cmd/tocsin.
type Factories map[v1alpha1.ConnectorType]Factory

// Registry holds the connectors that are ready, by namespace and name.
type Registry struct {
	mu     sync.RWMutex
	ready  map[string]map[string]Connector
	memory func(namespace string) Asker
	// circuits outlive the connectors, which are made anew at each check.
	circuits map[types.NamespacedName]*circuit
	changed  func(types.NamespacedName)
}

// NewRegistry returns a registry that offers memory in every namespace; memory makes it for one.
func NewRegistry(memory func(namespace string) Asker) *Registry {
	return &Registry{
		ready: map[string]map[string]Connector{}, memory: memory,
		circuits: map[types.NamespacedName]*circuit{}, changed: func(types.NamespacedName) {},
	}
}

// OnCircuit names who is told when a tool is not called any more, or again. It must not
// wait, nor ask the registry.
func (r *Registry) OnCircuit(changed func(types.NamespacedName)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = changed
}

// CircuitClosed says whether a connector's tool is called; it is not for a while after it did not answer.
func (r *Registry) CircuitClosed(namespace, name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := r.circuits[types.NamespacedName{Namespace: namespace, Name: name}]
	return c == nil || c.closed()
}

// Set makes a connector available.
func (r *Registry) Set(namespace, name string, c Connector) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready[namespace] == nil {
		r.ready[namespace] = map[string]Connector{}
	}
	key := types.NamespacedName{Namespace: namespace, Name: name}
	if r.circuits[key] == nil {
		changed := r.changed
		r.circuits[key] = newCircuit(func() { changed(key) })
	}
	r.ready[namespace][name] = r.circuits[key].protect(c)
}

// Delete makes a connector unavailable.
func (r *Registry) Delete(namespace, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ready[namespace], name)
	delete(r.circuits, types.NamespacedName{Namespace: namespace, Name: name})
}

// Get returns a connector that is ready, or an error that lists those that are.
func (r *Registry) Get(namespace, name string) (Connector, error) {
	if name == MemoryName {
		return r.memory(namespace), nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c, ok := r.ready[namespace][name]; ok {
		return c, nil
	}
	known := append(slices.Sorted(maps.Keys(r.ready[namespace])), MemoryName)
	return nil, fmt.Errorf("%w: no connector %q is ready in namespace %s; ready are %v", ErrUnsupported, name, namespace, known)
}

// Find returns an operation of a connector, or an error that lists those that exist.
func Find(c Connector, name string) (operation.Operation, error) {
	var known []string
	for _, o := range c.Operations() {
		if o.Name == name {
			return o, nil
		}
		if !o.InverseOnly {
			known = append(known, o.Name)
		}
	}
	return operation.Operation{}, fmt.Errorf("%w: %q; it offers %v", ErrUnsupported, name, known)
}

// Catalog returns the operations of one namespace, to check playbooks against.
func (r *Registry) Catalog(namespace string) operation.Catalog {
	return catalog{registry: r, namespace: namespace}
}

type catalog struct {
	registry  *Registry
	namespace string
}

func (c catalog) Operation(connector, name string) (operation.Operation, error) {
	found, err := c.registry.Get(c.namespace, connector)
	if err != nil {
		return operation.Operation{}, err
	}
	return Find(found, name)
}
