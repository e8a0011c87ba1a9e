// Package correlate tells which Investigation an alert joins. It is pure: alerts
// in, names out, by the time of events and not of any clock.
package correlate

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

const (
	// maxKeys is how many entities of open cases are remembered; beyond it the one
	// used least recently is forgotten, so that its next alert opens a case of its own.
	maxKeys = 1 << 20
	// maxAlerts is how many alerts' answers are remembered, maxClosed how many cases that
	// closed, and maxLinks how many things' links to others, and addresses' pods.
	maxAlerts = 1 << 18
	maxClosed = 1 << 18
	maxLinks  = 1 << 18
	// DefaultWindow applies where a namespace has none of its own.
	DefaultWindow = time.Hour
)

// Index remembers the entities of open cases. It is safe for concurrent use.
//
// Alerts join when they share a strong entity: see strong. A pod also stands for its
// ServiceAccount, its workload and whoever created it, once those were in an alert
// themselves: what a stolen token does joins the case of the pod it was stolen from, while two
// pods that merely have the same account, workload or creator stay apart. See Observe
// for where such links come from. A link is weaker the older it is: of several cases
// an alert joins the one that it has the strongest link to.
type Index struct {
	mu      sync.Mutex
	windows map[string]time.Duration
	// automation holds the keys of identities whose work is no link, by namespace.
	automation map[string]map[string]bool
	entries    *simplelru.LRU[entityKey, *entry]
	cases      map[caseKey]*openCase
	alerts     *simplelru.LRU[caseKey, string]
	// closed cases, and whether a human closed them.
	closed *simplelru.LRU[caseKey, bool]
	// merged cases, and the older ones that hold their alerts now.
	merged *simplelru.LRU[caseKey, string]
	// links lead from an entity to what it stands for, addresses to the pod that has one.
	links     *simplelru.LRU[linkKey, []link]
	addresses *simplelru.LRU[linkKey, address]
}

// caseKey is a namespace and the name of a case or an alert in it.
type caseKey struct{ namespace, name string }

// entityKey is an entity within a tenant. A derived one is not in the case itself:
// something that stands for it is, such as a pod for its ServiceAccount.
type entityKey struct {
	namespace, key string
	derived        bool
}

// entry is the case that an entity belongs to, and when it was seen there.
type entry struct {
	name        string
	first, last time.Time
}

// openCase knows when its first event was.
type openCase struct {
	keys  map[entityKey]struct{}
	first time.Time
}

// NewIndex returns an empty index.
func NewIndex() *Index { return newIndex(maxKeys) }

func newIndex(size int) *Index {
	i := &Index{windows: map[string]time.Duration{}, automation: map[string]map[string]bool{}, cases: map[caseKey]*openCase{}}
	i.entries = newLRU(size, i.evicted)
	i.alerts = newLRU[caseKey, string](maxAlerts, nil)
	i.closed = newLRU[caseKey, bool](maxClosed, nil)
	i.merged = newLRU[caseKey, string](maxClosed, nil)
	i.links = newLRU[linkKey, []link](maxLinks, nil)
	i.addresses = newLRU[linkKey, address](maxLinks, nil)
	return i
}

func newLRU[K comparable, V any](size int, evicted func(K, V)) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU(size, evicted)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return lru
}

// SetWindow sets the window of a namespace: alerts that share an entity join if
// their events are at most that far apart.
func (i *Index) SetWindow(namespace string, window time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.windows[namespace] = window
}

// SetAutomation declares user names whose work is expected: that two alerts are about what
// one of them did does not join them.
func (i *Index) SetAutomation(namespace string, users []string) {
	keys := map[string]bool{}
	for _, name := range users {
		keys[auditevent.Identity{Name: name}.Entity().Key()] = true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.automation[namespace] = keys
}

// Join returns the name of the Investigation that an alert belongs to: an open one
// that it is linked to, or a new one. The answer for an alert stays the same. Other
// open ones that it belongs to as well are the same case from now on.
func (i *Index) Join(namespace, alert string, spec v1alpha1.AlertSpec) (name string, joins []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if name, ok := i.alerts.Get(caseKey{namespace, alert}); ok {
		return name, nil
	}
	i.learn(namespace, spec.Entities)
	name = i.find(namespace, spec)
	if name == "" {
		name = caseName(namespace, alert, spec.Entities)
	}
	i.add(namespace, name, spec)
	name, joins = i.unite(namespace, name, spec)
	i.alerts.Add(caseKey{namespace, alert}, name)
	return name, joins
}

// Opened tells of an open Investigation and an alert in it, as read from the API server.
func (i *Index) Opened(namespace, name, alert string, spec v1alpha1.AlertSpec) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.learn(namespace, spec.Entities)
	i.alerts.Add(caseKey{namespace, alert}, name)
	i.add(namespace, i.root(namespace, name), spec)
}

// Close forgets the entities of a case: no further alert joins it. What a human said
// of it stays said.
func (i *Index) Close(namespace, name string, byHuman bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before, _ := i.closed.Get(caseKey{namespace, name})
	i.closed.Add(caseKey{namespace, name}, before || byHuman)
	c := i.cases[caseKey{namespace, name}]
	if c == nil {
		return
	}
	delete(i.cases, caseKey{namespace, name})
	for key := range c.keys {
		i.entries.Remove(key)
	}
}

// Closed says whether a case takes no further alerts, and whether a human said so. Of
// a merged one that is said of the case that holds its alerts.
func (i *Index) Closed(namespace, name string) (closed, byHuman bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	name = i.root(namespace, name)
	byHuman, closed = i.closed.Get(caseKey{namespace, name})
	return closed, byHuman
}
