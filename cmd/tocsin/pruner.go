package main

import (
	"context"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
)

// pruneEvery is how often the archive forgets what is too old.
const pruneEvery = time.Hour

// pruner keeps the archive from growing for ever. A failure is said and tried again:
// nothing is lost by it.
type pruner struct {
	archive interface {
		Prune(ctx context.Context) error
	}
	clock clock.WithTicker
}

// Start implements manager.Runnable.
func (p *pruner) Start(ctx context.Context) error {
	ticker := p.clock.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		if err := p.archive.Prune(ctx); err != nil && ctx.Err() == nil {
			ctrl.Log.WithName("archive").Error(err, "Cannot prune the archive; trying again", "in", pruneEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}
