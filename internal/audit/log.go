//go:build unix

// Package audit keeps what was seen, concluded, decided and done in a
// transparency log: a Merkle tree of entries whose root is signed, so that
// nobody can change, remove or reorder an entry without it being noticed.
package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"golang.org/x/mod/sumdb/note"

	"github.com/tocsin-dev/tocsin/internal/durable"
)

// ErrClosed is returned for entries that come after Close.
var ErrClosed = errors.New("the audit log is closed")

// Log is an audit log on a file system that this process alone writes. It is
// safe for concurrent use.
type Log struct {
	path   string
	lock   *os.File
	sealer *sealer

	// mu is held for reading while an entry is in flight, and for writing while
	// the writer below is exchanged.
	mu     sync.RWMutex
	writer *writer
	closed bool
	// failed: an entry could not be written, and what is left of it must be
	// cleared away before the next.
	failed atomic.Bool
}

// Open opens the log in a directory, or makes one with a key of its own. The key
// is in audit.key, the public key to verify with in audit.pub, the log in log/.
// It waits until ctx ends for another process to let go of the log, and refuses a
// log that does not continue what was signed.
func Open(ctx context.Context, dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	lock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l, err := open(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", errors.Join(err, lock.Close()))
	}
	l.lock = lock
	return l, nil
}

func open(ctx context.Context, dir string) (*Log, error) {
	skey, vkey, err := loadKey(dir)
	if err != nil {
		return nil, err
	}
	if err := durable.WriteFile(filepath.Join(dir, publicFile), []byte(vkey+"\n"), 0o644); err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	l := &Log{path: filepath.Join(dir, logDir)}
	if l.sealer, err = newSealer(ctx, l.path, signer, verifier); err != nil {
		return nil, err
	}
	signed, found := l.sealer.last.Size, l.sealer.written
	if l.writer, err = startWriter(ctx, l.path, l.sealer); err != nil {
		return nil, err
	}
	if signed == found {
		return l, nil
	}
	// Whoever can write the files can add entries while nobody looks.
	_, err = l.Append(ctx, Entry{
		Time: time.Now(), Type: TypeRecovery, Actor: "tocsin/audit",
		Summary: fmt.Sprintf("entries %d to %d were not signed when the log was opened: the process before was killed, or somebody else wrote them", signed, found-1),
	})
	if err != nil {
		l.writer.cancel()
		return nil, err
	}
	return l, nil
}

// Append returns the index of the entry once it is sequenced and durable. After
// any error the entry must be taken as not logged. When ctx ends first, the entry
// may yet be logged.
func (l *Log) Append(ctx context.Context, e Entry) (int64, error) {
	raw, err := e.encode()
	if err != nil {
		return 0, err
	}
	if err := l.acquire(ctx); err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	type outcome struct {
		index int64
		err   error
	}
	done := make(chan outcome, 1)
	l.sealer.expect()
	future := l.writer.appender.Add(ctx, tessera.NewEntry(raw))
	go func() {
		defer l.mu.RUnlock()
		index, err := future()
		if err != nil {
			l.failed.Store(true)
		} else {
			l.writer.prune(index.Index)
		}
		done <- outcome{int64(index.Index), err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return 0, fmt.Errorf("audit log: %w", o.err)
		}
		return o.index, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("audit log: %w", ctx.Err())
	}
}

// acquire returns with mu held for reading and a writer that can write.
func (l *Log) acquire(ctx context.Context) error {
	for {
		l.mu.RLock()
		if !l.failed.Load() || l.closed {
			err := l.usable()
			if err != nil {
				l.mu.RUnlock()
			}
			return err
		}
		l.mu.RUnlock()
		if err := l.repair(ctx); err != nil {
			return err
		}
	}
}

func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	if err := l.sealer.refusal(); err != nil {
		return err
	}
	return probe(l.path)
}

// repair begins again after a failure, with what the failure left cleared away.
func (l *Log) repair(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.failed.Load() {
		return nil
	}
	l.writer.cancel()
	writer, err := startWriter(ctx, l.path, l.sealer)
	if err != nil {
		return err
	}
	l.writer = writer
	l.failed.Store(false)
	return nil
}

// Close waits for the entries in flight, has them signed, and lets go of the log.
// An error means that the last of them are not signed, which the next Open makes
// good unless the log was tampered with. It may be called more than once.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.sealer.refusal()
	if err == nil {
		err = l.writer.shutdown(ctx)
	}
	l.writer.cancel()
	return errors.Join(err, l.lock.Close())
}
