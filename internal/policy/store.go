package policy

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Store compiles each generation of each policy once. It is asked with the
// policies as they are, so that what is in force never lags behind what was
// seen of the API server, also right after a start.
type Store struct {
	// operator is the namespace whose policies may speak of other tenants' actions.
	operator string

	mu       sync.Mutex
	compiled map[types.NamespacedName]*compilation
}

// compilation of one generation; the first who needs it does the work.
type compilation struct {
	uid        types.UID
	generation int64
	once       sync.Once
	policy     *Policy
	err        error
}

// NewStore returns an empty store, of an operator that runs in a namespace.
func NewStore(operator string) *Store {
	return &Store{operator: operator, compiled: map[types.NamespacedName]*compilation{}}
}

// Compiled returns the policy, or the error of Compile; a *SpecError for one that would
// speak of other tenants' actions from where it may not.
func (s *Store) Compiled(ctx context.Context, p *v1alpha1.ApprovalPolicy) (*Policy, error) {
	if scope := p.Spec.Scope; scope != nil && len(scope.Tenants) > 0 && p.Namespace != s.operator {
		return nil, &SpecError{Problem: fmt.Sprintf("spec.scope.tenants: must be empty in namespace %s; only policies in %s, where the operator runs, speak of other tenants' actions", p.Namespace, s.operator)}
	}
	c := s.compilation(p)
	// What is remembered must not depend on the patience of who came first.
	c.once.Do(func() { c.policy, c.err = Compile(context.WithoutCancel(ctx), p.Name, p.Spec) })
	return c.policy, c.err
}

func (s *Store) compilation(p *v1alpha1.ApprovalPolicy) *compilation {
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.compiled[key]
	if c == nil || c.uid != p.UID || c.generation != p.Generation {
		c = &compilation{uid: p.UID, generation: p.Generation}
		s.compiled[key] = c
	}
	return c
}

// Candidates returns a candidate for each policy that may speak of the actions of a
// tenant: its own, and those of the operator's namespace that name it. Policies of any
// other namespace are none. One that does not compile is not ready, and why.
func (s *Store) Candidates(ctx context.Context, tenant string, policies []v1alpha1.ApprovalPolicy) []Candidate {
	candidates := make([]Candidate, 0, len(policies))
	for i := range policies {
		p := &policies[i]
		foreign := p.Namespace != tenant
		if foreign && (p.Namespace != s.operator || !SpeaksFor(p, tenant)) {
			continue
		}
		compiled, err := s.Compiled(ctx, p)
		if err != nil {
			err = fmt.Errorf("%s", firstLine(err))
		}
		name := p.Name
		if foreign {
			name = p.Namespace + "/" + p.Name
		}
		c := NewCandidate(name, p.Spec, compiled, err)
		c.Foreign = foreign
		candidates = append(candidates, c)
	}
	return candidates
}

// Forget frees what is kept of a deleted policy.
func (s *Store) Forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.compiled, key)
}

// firstLine of an error is enough for a decision; the policy's own condition has them all.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
