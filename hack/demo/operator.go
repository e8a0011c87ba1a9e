package main

import (
	"context"
	"math/rand/v2"
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
		err = o.Spawn()
		o.mu.Unlock()
		if err != nil {
			o.stage.say("the operator could not be started again: %v", err)
			return
		}
	}
}

// kill sends SIGKILL n times, at random moments.
func (o *operator) kill(ctx context.Context, n int) {
	for range n {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(1000+rand.IntN(4000)) * time.Millisecond):
		}
		o.mu.Lock()
		if !o.stopped {
			_ = o.Kill()
		}
		o.mu.Unlock()
	}
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
