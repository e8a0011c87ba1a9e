package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	testclock "k8s.io/utils/clock/testing"

	"github.com/tocsin-dev/tocsin/internal/activity"
)

// remembering has one deed of an actor.
func remembering() *activity.Memory {
	m := activity.New(activity.DefaultLimits)
	m.Reached("EVENTS-1", 1)
	m.Record("soc", map[string]any{
		"stage": "ResponseComplete", "verb": "list", "user": map[string]any{"username": "alice"}, "objectRef": map[string]any{"resource": "secrets"},
	}, seen)
	return m
}

func remembers(m *activity.Memory) bool {
	return m.Novelty("soc", "alice", "list", "secrets", "", seen.Add(time.Hour)).SeenBefore
}

func TestSnapshots(t *testing.T) {
	good, err := remembering().Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		file      []byte
		want      bool
		wantAside bool
	}{
		"a snapshot":                    {file: good, want: true},
		"none":                          {},
		"one that is cut short":         {file: good[:len(good)/2], wantAside: true},
		"one of a newer version":        {file: []byte("tocsin-memory 9 abc\n..."), wantAside: true},
		"something that is no snapshot": {file: []byte{0}, wantAside: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "memory")
			if test.file != nil {
				if err := os.WriteFile(file, test.file, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			k := &snapshots{file: file, memory: activity.New(activity.DefaultLimits), log: testr.New(t)}
			k.load()
			if got := remembers(k.memory); got != test.want {
				t.Errorf("remembers: %v, want %v", got, test.want)
			}
			aside, err := os.ReadFile(file + ".unreadable")
			if (err == nil) != test.wantAside || err == nil && string(aside) != string(test.file) {
				t.Errorf("put aside: %q, %v", aside, err)
			}
			k.memory = remembering()
			k.save() // works whatever was there
			again := &snapshots{file: file, memory: activity.New(activity.DefaultLimits), log: testr.New(t)}
			if again.load(); !remembers(again.memory) {
				t.Error("what was saved cannot be loaded")
			}
		})
	}
}

func TestSnapshotsNowAndThen(t *testing.T) {
	clock := testclock.NewFakeClock(seen)
	k := &snapshots{file: filepath.Join(t.TempDir(), "memory"), memory: remembering(), clock: clock, log: testr.New(t)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- k.Start(ctx) }()
	waitFor(t, clock.HasWaiters)
	clock.Step(saveInterval)
	waitFor(t, func() bool { _, err := os.Stat(k.file); return err == nil })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !so() {
		select {
		case <-deadline:
			t.Fatal("it did not happen within a minute")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestSnapshotsGoOn where the volume cannot be written.
func TestSnapshotsGoOn(t *testing.T) {
	k := &snapshots{file: filepath.Join(t.TempDir(), "missing", "memory"), memory: remembering(), log: testr.New(t)}
	k.load()
	k.save()
	if !remembers(k.memory) {
		t.Error("memory was lost")
	}
}
