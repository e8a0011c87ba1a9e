//go:build unix

package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"
)

const (
	// An entry waits this long for others to share its fsyncs with.
	batchAge  = 2 * time.Millisecond
	batchSize = tileWidth
	// A checkpoint is signed this long after the last one, if there are new entries.
	sealEvery = 100 * time.Millisecond
)

// writer is a running Tessera appender.
type writer struct {
	path     string
	appender *tessera.Appender
	shutdown func(context.Context) error
	cancel   context.CancelFunc
}

// startWriter clears away what an interrupted writer left, starts a new one, and
// has signed what was sequenced but not signed. The writer outlives ctx.
func startWriter(ctx context.Context, path string, s *sealer) (w *writer, err error) {
	// Tessera panics where it cannot take a lock.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be locked: %v", r)
		}
	}()
	if err := tidy(path); err != nil {
		return nil, err
	}
	if now, err := readState(path); err == nil {
		s.restart(now.Size)
	}
	driver, err := posix.New(ctx, posix.Config{Path: path})
	if err != nil {
		return nil, err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(s).
		WithCheckpointInterval(sealEvery).
		WithCheckpointRepublishInterval(0).
		WithGarbageCollectionInterval(0).
		WithBatching(batchSize, batchAge)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	appender, shutdown, reader, err := tessera.NewAppender(running, driver, options)
	if err != nil {
		cancel()
		return nil, err
	}
	w = &writer{path: path, appender: appender, shutdown: shutdown, cancel: cancel}
	size, err := reader.IntegratedSize(ctx)
	if err == nil {
		err = s.await(ctx, size)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return w, nil
}

// prune removes the partial files that a full bundle of entries, and the full
// tiles above it, have superseded. What it cannot remove, the next start does.
func (w *writer) prune(index uint64) {
	if index%tileWidth != tileWidth-1 {
		return
	}
	index /= tileWidth
	_ = os.RemoveAll(filepath.Join(w.path, layout.EntriesPath(index, 0)+".p"))
	for level := uint64(0); ; level++ {
		_ = os.RemoveAll(filepath.Join(w.path, layout.TilePath(level, index, 0)+".p"))
		if index%tileWidth != tileWidth-1 {
			return
		}
		index /= tileWidth
	}
}

// probe returns an error where nothing can be written, before Tessera panics over it.
func probe(path string) error {
	f, err := os.OpenFile(filepath.Join(path, filepath.FromSlash(versionPath)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}
