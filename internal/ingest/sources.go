package ingest

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Sources holds the AlertSources in force. It is safe for concurrent use.
type Sources struct {
	mu    sync.RWMutex
	ready map[types.NamespacedName]*Source
}

// NewSources returns an empty registry.
func NewSources() *Sources { return &Sources{ready: map[types.NamespacedName]*Source{}} }

// Set puts a source in force. What its sender has used of an unchanged rate limit stays used.
func (s *Sources) Set(source *Source) {
	key := types.NamespacedName{Namespace: source.namespace, Name: source.name}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.ready[key]
	if ok && old.limiter.Limit() == source.limiter.Limit() && old.limiter.Burst() == source.limiter.Burst() {
		source.limiter = old.limiter
	}
	if ok {
		source.held = old.held
	}
	s.ready[key] = source
}

// Delete puts a source out of force.
func (s *Sources) Delete(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ready, types.NamespacedName{Namespace: namespace, Name: name})
}

// Get returns the source in force, if there is one.
func (s *Sources) Get(namespace, name string) (*Source, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	source, ok := s.ready[types.NamespacedName{Namespace: namespace, Name: name}]
	return source, ok
}
