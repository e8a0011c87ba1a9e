package responseaction

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxExecutions of one action by one process, while its effect is not there or not whole.
	maxExecutions = 3
	// maxLooking is how long an effect that cannot be told is looked for before a human must.
	maxLooking = time.Minute
	// maxBlocked is how long an action that is half done waits for what is in its way.
	maxBlocked = time.Hour
	// blockedRetry is how soon to look again whether it is still in the way: nothing tells.
	blockedRetry = 10 * time.Second
)

// attempts remembers what this process tried. After a restart it begins anew,
// which costs nothing but patience.
type attempts struct {
	mu sync.Mutex
	of map[types.UID]attempt
}

type attempt struct {
	executions   int
	lookingSince time.Time
}

func newAttempts() *attempts { return &attempts{of: map[types.UID]attempt{}} }

// executed counts an execution.
func (a *attempts) executed(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.of[uid]
	known.executions++
	a.of[uid] = known
}

// held takes an execution back that something was in the way of.
func (a *attempts) held(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.of[uid]
	known.executions--
	a.of[uid] = known
}

// looked returns what was tried so far, and since when the effect is looked for.
func (a *attempts) looked(uid types.UID, now time.Time) attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.of[uid]
	if known.lookingSince.IsZero() {
		known.lookingSince = now
		a.of[uid] = known
	}
	return known
}

func (a *attempts) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.of, uid)
}
