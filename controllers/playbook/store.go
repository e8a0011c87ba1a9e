package playbook

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// Store holds the playbooks that are in force.
type Store struct {
	mu         sync.RWMutex
	namespaces map[string]map[string]*playbook.Playbook
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{namespaces: map[string]map[string]*playbook.Playbook{}} }

// For returns the playbooks of a namespace in the order of their names.
func (s *Store) For(namespace string) []*playbook.Playbook {
	s.mu.RLock()
	defer s.mu.RUnlock()
	named := s.namespaces[namespace]
	list := make([]*playbook.Playbook, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		list = append(list, named[name])
	}
	return list
}

func (s *Store) set(key types.NamespacedName, p *playbook.Playbook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.namespaces[key.Namespace] == nil {
		s.namespaces[key.Namespace] = map[string]*playbook.Playbook{}
	}
	s.namespaces[key.Namespace][key.Name] = p
}

func (s *Store) delete(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.namespaces[key.Namespace], key.Name)
}
