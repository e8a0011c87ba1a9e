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

// snapshots keep a copy of memory on the volume. Memory that is lost makes verdicts
// more careful, not wrong, so nothing here stops the operator.
type snapshots struct {
	file   string
	memory *activity.Memory
	clock  clock.WithTicker
	log    logr.Logger
}

// load must come before anything is recorded. What cannot be read is put aside, for
// whoever goes back to the version that wrote it.
func (s *snapshots) load() {
	snapshot, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		s.log.Info("Memory is young: there is no snapshot of it yet", "file", s.file)
		return
	}
	if err == nil {
		err = s.memory.Restore(snapshot)
	}
	if err == nil {
		return
	}
	aside := s.file + ".unreadable"
	if moved := os.Rename(s.file, aside); moved != nil {
		err = errors.Join(err, moved)
	}
	s.log.Error(err, "Memory is young: its snapshot cannot be read, and is put aside", "file", s.file, "aside", aside)
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: only the leader records.
func (*snapshots) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (s *snapshots) Start(ctx context.Context) error {
	ticker := s.clock.NewTicker(saveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			s.save()
		}
	}
}

func (s *snapshots) save() {
	snapshot, err := s.memory.Snapshot()
	if err == nil {
		err = durable.WriteFile(s.file, snapshot, 0o600)
	}
	if err != nil {
		s.log.Error(err, "Cannot keep a snapshot of memory; trying again", "in", saveInterval, "file", s.file)
	}
}
