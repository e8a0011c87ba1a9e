package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/durable"
)

// saveInterval between two snapshots of memory. What was seen since the last one is in
// the event stream.
const saveInterval = 10 * time.Minute

// keeper keeps a snapshot of memory on the volume. Memory that is lost makes verdicts
// more careful, not wrong, so nothing here stops the operator.
type keeper struct {
	file   string
	memory *activity.Memory
	clock  clock.WithTicker
	log    logr.Logger
}

// load must come before anything is recorded. What cannot be read is put aside, for
// whoever goes back to the version that wrote it.
func (k *keeper) load() {
	snapshot, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		k.log.Info("Memory is young: there is no snapshot of it yet", "file", k.file)
		return
	}
	if err == nil {
		err = k.memory.Restore(snapshot)
	}
	if err == nil {
		return
	}
	aside := k.file + ".unreadable"
	if moved := os.Rename(k.file, aside); moved != nil {
		err = errors.Join(err, moved)
	}
	k.log.Error(err, "Memory is young: its snapshot cannot be read, and is put aside", "file", k.file, "aside", aside)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: only the leader records.
func (*keeper) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (k *keeper) Start(ctx context.Context) error {
	ticker := k.clock.NewTicker(saveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			k.save()
		}
	}
}

func (k *keeper) save() {
	snapshot, err := k.memory.Snapshot()
	if err == nil {
		err = durable.WriteFile(k.file, snapshot, 0o600)
	}
	if err != nil {
		k.log.Error(err, "Cannot keep a snapshot of memory; trying again", "in", saveInterval, "file", k.file)
	}
}
