package kubernetes

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lately is how old a list may be that need not be the latest. An API server asks etcd
// at most every 100 ms whether its cache is the latest: the second of two lists of a kind
// within that time waits for the rest of it, which is most of the time that a plan takes.
const lately = 250 * time.Millisecond

// marks remember of each kind a version that was the latest at some time.
type marks struct {
	mu sync.Mutex
	of map[string]mark
}

type mark struct {
	version string
	at      time.Time
}

func newMarks() *marks { return &marks{of: map[string]mark{}} }

// since returns a version that was the latest then or later; empty for none.
func (m *marks) since(kind string, then time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.of[kind]; known.at.After(then) {
		return known.version
	}
	return ""
}

func (m *marks) set(kind string, new mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if new.at.After(m.of[kind].at) {
		m.of[kind] = new
	}
}

// listLatest lists a namespace as it is.
func (c *cluster) listLatest(ctx context.Context, list client.ObjectList, namespace string) error {
	began := c.clock.Now()
	if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	c.marks.set(fmt.Sprintf("%T", list), mark{version: list.GetResourceVersion(), at: began})
	return nil
}

// listLately lists a namespace as it was a moment ago or later. What a list of the latest
// told since then is not waited for again.
func (c *cluster) listLately(ctx context.Context, list client.ObjectList, namespace string) error {
	version := c.marks.since(fmt.Sprintf("%T", list), c.clock.Now().Add(-lately))
	if version == "" {
		return c.listLatest(ctx, list, namespace)
	}
	return c.List(ctx, list, &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{
		ResourceVersion: version, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}})
}
