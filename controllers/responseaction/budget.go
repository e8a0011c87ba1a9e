package responseaction

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// budget caps the executions of a namespace within an hour. It counts in memory
// and begins with what the actions' own status tells.
type budget struct {
	reader client.Reader
	cap    int

	mu    sync.Mutex
	spent map[string][]time.Time
}

func newBudget(reader client.Reader, hourly int) *budget {
	return &budget{reader: reader, cap: hourly, spent: map[string][]time.Time{}}
}

// take spends one execution. Where none is left it returns how long until one is.
func (b *budget) take(ctx context.Context, namespace string, now time.Time) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	recent, err := b.recent(ctx, namespace, now)
	if err != nil {
		return 0, err
	}
	if len(recent) >= b.cap {
		return recent[len(recent)-b.cap].Sub(now.Add(-time.Hour)), nil
	}
	b.spent[namespace] = append(recent, now)
	return 0, nil
}

// left is how many executions are left to spend.
func (b *budget) left(ctx context.Context, namespace string, now time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	recent, err := b.recent(ctx, namespace, now)
	return b.cap - len(recent), err
}

// recent are the executions of the last hour. The lock must be held.
func (b *budget) recent(ctx context.Context, namespace string, now time.Time) ([]time.Time, error) {
	if b.spent[namespace] == nil {
		if err := b.recall(ctx, namespace); err != nil {
			return nil, err
		}
	}
	since := now.Add(-time.Hour)
	b.spent[namespace] = slices.DeleteFunc(b.spent[namespace], func(t time.Time) bool { return !t.After(since) })
	return b.spent[namespace], nil
}

func (b *budget) recall(ctx context.Context, namespace string) error {
	var actions v1alpha1.ResponseActionList
	if err := b.reader.List(ctx, &actions, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("count the actions of namespace %s: %w", namespace, err)
	}
	started := []time.Time{}
	for i := range actions.Items {
		if e := actions.Items[i].Status.Execution; e != nil {
			started = append(started, e.StartedAt.Time)
		}
	}
	slices.SortFunc(started, time.Time.Compare)
	b.spent[namespace] = started
	return nil
}

// giveBack returns an execution that did not come about.
func (b *budget) giveBack(namespace string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.spent[namespace], at); i >= 0 {
		b.spent[namespace] = slices.Delete(b.spent[namespace], i, i+1)
	}
}
