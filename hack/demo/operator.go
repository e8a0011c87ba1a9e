package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// operator keeps one operator process running: when it is killed, by the demo or
// by whoever wants to see what happens, it is started again.
type operator struct {
	*lab.Operator
	stage *stage

	mu      sync.Mutex
	started bool
	stopped bool
	deaths  int
}

func (o *operator) start(ctx context.Context) error {
	o.started = true
	if err := o.Start(ctx); err != nil {
		return err
	}
	go o.keep()
	return nil
}

// keep starts the operator again whenever it dies.
func (o *operator) keep() {
	for {
		err := o.Wait()
		o.mu.Lock()
		if o.stopped {
			o.mu.Unlock()
			return
		}
		o.deaths++
		o.stage.say("the operator died (%v); it is started again", err)
		err = o.Spawn() // before anybody learns of the death
		o.mu.Unlock()
		if err != nil {
			o.stage.say("the operator could not be started again: %v", err)
			return
		}
	}
}

// kill sends SIGKILL n times, at random moments, each to a process that was started after the last.
func (o *operator) kill(ctx context.Context, n int) error {
	for range n {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(200+rand.IntN(2300)) * time.Millisecond):
		}
		before := o.died()
		o.mu.Lock()
		err := o.Kill()
		o.mu.Unlock()
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill the operator: %w", err)
		}
		err = lab.Eventually(ctx, time.Minute, "the operator to be started again", func(context.Context) (bool, string, error) {
			return o.died() > before, "", nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// died is how often the operator ended without being told to.
func (o *operator) died() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.deaths
}

func (o *operator) stop() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	if !o.started {
		return nil
	}
	return o.Stop()
}
