package detect

import (
	"maps"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// Engine holds the rules in force, by namespace. It is safe for concurrent use.
type Engine struct {
	now     func() time.Time
	onError func(namespace, rule string, err error)

	mu      sync.RWMutex
	tenants map[string]tenant
}

type tenant struct {
	rules map[string]*Rule
	index index
}

// NewEngine returns an engine without rules. now tells which exceptions have expired.
// onError is told of each rule that could not be evaluated on an event; such a rule
// does not match it, unless the event is too large to look at. It may be called concurrently.
func NewEngine(now func() time.Time, onError func(namespace, rule string, err error)) *Engine {
	return &Engine{now: now, onError: onError, tenants: map[string]tenant{}}
}

// Set puts a rule in force.
func (e *Engine) Set(namespace, name string, rule *Rule) {
	e.change(namespace, func(rules map[string]*Rule) { rules[name] = rule })
}

// Delete takes a rule out of force.
func (e *Engine) Delete(namespace, name string) {
	e.change(namespace, func(rules map[string]*Rule) { delete(rules, name) })
}

func (e *Engine) change(namespace string, edit func(rules map[string]*Rule)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rules := maps.Clone(e.tenants[namespace].rules)
	if rules == nil {
		rules = map[string]*Rule{}
	}
	edit(rules)
	if len(rules) == 0 {
		delete(e.tenants, namespace)
		return
	}
	e.tenants[namespace] = tenant{rules: rules, index: newIndex(rules)}
}

// Detect returns what the rules of a namespace say of a raw audit event, ordered by
// rule. Source and RawDigest are left to the caller, and so is FirstSeen where the
// event has no time; Fingerprint tells only what was done, not by whom, to what and
// where it was reported. The event is neither changed nor kept.
func (e *Engine) Detect(namespace string, raw map[string]any) []v1alpha1.AlertSpec {
	e.mu.RLock()
	ix := e.tenants[namespace].index
	e.mu.RUnlock()
	if len(ix) == 0 {
		return nil
	}
	event := auditevent.Read(raw)
	if !event.Answered() {
		return nil
	}
	rules := ix.find(event)
	if len(rules) == 0 {
		return nil
	}
	now := e.now()
	inForce := func(expires time.Time) bool { return now.Before(expires) }
	vars := map[string]any{"event": newVariable(raw, event)}
	var found []v1alpha1.AlertSpec
	for _, r := range rules {
		matched, err := r.match(vars, inForce)
		if err != nil {
			e.onError(namespace, r.name, err)
		}
		if !matched {
			continue
		}
		spec, err := r.alert(event, vars)
		if err != nil {
			e.onError(namespace, r.name, err)
		}
		found = append(found, spec)
	}
	return found
}
