package responseaction

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxReleased bounds what is remembered of targets that were acted on.
const maxReleased = 4096

// targets lets one action at a time act on a target and on the workloads that it takes
// pods of, and only on a plan that was made after the last action on them ended.
type targets struct {
	mu       sync.Mutex
	held     map[string]bool
	released map[string]uint64
	// clock counts releases; floor is the last one of those that were forgotten.
	clock, floor uint64
	// begun are the actions, by target, whose outcome there nobody knows yet: between two
	// passes and after a crash. Nothing else may act on it until one of them has told.
	begun    map[string]types.NamespacedName
	recalled bool
}

func newTargets() *targets {
	return &targets{held: map[string]bool{}, released: map[string]uint64{}, begun: map[string]types.NamespacedName{}}
}

// recall finds out once what an earlier process had begun.
func (t *targets) recall(ctx context.Context, reader client.Reader) error {
	t.mu.Lock()
	recalled := t.recalled
	t.mu.Unlock()
	if recalled {
		return nil
	}
	var actions v1alpha1.ResponseActionList
	if err := reader.List(ctx, &actions, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list what was begun: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range actions.Items {
		if a := &actions.Items[i]; !t.recalled && underWay(a) {
			t.begun[targetKey(a.Status.Plan.Target)] = client.ObjectKeyFromObject(a)
		}
	}
	t.recalled = true
	return nil
}

// note remembers whether an action is under way.
func (t *targets) note(action *v1alpha1.ResponseAction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	who := client.ObjectKeyFromObject(action)
	t.drop(who)
	if underWay(action) {
		t.begun[targetKey(action.Status.Plan.Target)] = who
	}
}

// forget an action that is gone.
func (t *targets) forget(who types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(who)
}

func (t *targets) drop(who types.NamespacedName) {
	maps.DeleteFunc(t.begun, func(_ string, by types.NamespacedName) bool { return by == who })
}

func underWay(a *v1alpha1.ResponseAction) bool {
	return a.Status.Execution != nil && a.Status.Result == nil && a.Status.Plan != nil && a.DeletionTimestamp == nil
}

// turn is what a plan that begins now must show to acquire.
func (t *targets) turn() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock
}

// acquire returns how to give the targets back, or nil if one is held by another
// action, was acted on since the turn, or is where another action is under way.
func (t *targets) acquire(who types.NamespacedName, turn uint64, wanted ...v1alpha1.TargetReference) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, target := range wanted {
		key := targetKey(target)
		if by, begun := t.begun[key]; begun && by != who || t.held[key] || max(t.released[key], t.floor) > turn {
			return nil
		}
	}
	for _, target := range wanted {
		t.held[targetKey(target)] = true
	}
	return func() { t.release(wanted) }
}

func (t *targets) release(held []v1alpha1.TargetReference) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clock++
	if len(t.released) >= maxReleased {
		clear(t.released)
		t.floor = t.clock
	}
	for _, target := range held {
		key := targetKey(target)
		delete(t.held, key)
		t.released[key] = t.clock
	}
}

func targetKey(t v1alpha1.TargetReference) string {
	group, _, _ := strings.Cut(t.APIVersion, "/")
	return strings.Join([]string{group, t.Kind, t.Namespace, t.Name}, "/")
}
