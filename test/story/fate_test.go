package story_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// fate kills the operator at moments that its seed tells, and starts it again.
type fate struct {
	operator *operator
	random   *rand.Rand
	kills    int
	under    sync.WaitGroup
}

func newFate(t *testing.T, o *operator) *fate {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("to kill at the same moments: SEED=%d", seed)
	return &fate{operator: o, random: rand.New(rand.NewPCG(seed, 0))}
}

// strike kills the operator within some time from now, beside whatever the story does next.
func (f *fate) strike(within time.Duration) {
	f.under.Wait()
	f.kills++
	moment := time.NewTimer(time.Duration(f.random.Int64N(int64(within))))
	f.under.Go(func() {
		<-moment.C
		f.operator.kill()
		if err := f.operator.spawn(); err != nil {
			f.operator.t.Errorf("the operator does not start again: %v", err)
		}
	})
}

// over waits until the last kill is done; from then on the operator lives.
func (f *fate) over() { f.under.Wait() }
