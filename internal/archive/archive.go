// Package archive remembers what outlives an object in the API server, in a SQLite
// file in this process: how often each rule fired and how its cases were graded,
// concluded cases, and raw events and evidence by their digest.
//
// Every write is idempotent by its key and returns once it is on the disk; writes
// that come at the same time share one commit. What the API server still has is
// written again after a start, so that a lost archive fills up again from there.
package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	fileName = "archive.db"
	// readers at a time; each keeps up to a MiB of pages.
	readers = 4
	// maxBytes of raw events and evidence; beyond it the oldest go.
	maxBytes = 1 << 30
)

var (
	// ErrClosed is returned for writes that come after Close.
	ErrClosed = errors.New("the archive is closed")
	// ErrNotFound: the archive has nothing under that key.
	ErrNotFound = errors.New("the archive does not have it")
)

// Archive is a SQLite file that this process alone writes. It is safe for concurrent use.
type Archive struct {
	path     string
	now      func() time.Time
	maxBytes int64
	maxCases int

	reading *sql.DB
	queries map[string]*sql.Stmt
	writer  *writer
}

// Open opens the archive in a directory, or makes one. An archive that is damaged, or
// that a newer version wrote, is refused with what to do about it.
func Open(ctx context.Context, dir string, now func() time.Time) (*Archive, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	// Raw events are for nobody else on the machine.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a := &Archive{path: filepath.Join(dir, fileName), now: now, maxBytes: maxBytes, maxCases: maxCases}
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(a.explain(err), a.Close())
	}
	return a, nil
}

func (a *Archive) open(ctx context.Context) error {
	var err error
	if a.writer, err = startWriter(ctx, a.source()); err != nil {
		return err
	}
	if a.reading, err = sql.Open("sqlite", a.source("query_only(1)")); err != nil {
		return err
	}
	a.reading.SetMaxOpenConns(readers)
	a.reading.SetMaxIdleConns(readers)
	a.queries = map[string]*sql.Stmt{}
	for _, query := range queries {
		if a.queries[query], err = a.reading.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// source names the file, with what holds for every connection to it.
func (a *Archive) source(pragmas ...string) string {
	all := append([]string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-1024)", "temp_store(MEMORY)"}, pragmas...)
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(a.path), RawQuery: url.Values{"_pragma": all}.Encode()}
	return file.String()
}

// Close waits for the writes that were begun.
func (a *Archive) Close() error {
	var errs []error
	if a.writer != nil {
		errs = append(errs, a.writer.close())
	}
	if a.reading != nil {
		errs = append(errs, a.reading.Close())
	}
	return errors.Join(errs...)
}

// write returns once what do did is on the disk.
func (a *Archive) write(ctx context.Context, do func(*transaction) error) error {
	return a.explain(a.writer.write(ctx, do))
}

// row reads one row; ErrNotFound if there is none.
func (a *Archive) row(ctx context.Context, query string, arguments []any, into ...any) error {
	err := a.queries[query].QueryRowContext(ctx, arguments...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return a.explain(err)
}

// rows reads every row. into makes the places for the next one, and take takes it in.
func (a *Archive) rows(ctx context.Context, query string, arguments []any, into []any, take func()) error {
	rows, err := a.queries[query].QueryContext(ctx, arguments...)
	if err != nil {
		return a.explain(err)
	}
	defer func() { _ = rows.Close() }() // what went wrong is in Err
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return a.explain(err)
		}
		take()
	}
	return a.explain(rows.Err())
}

// micros of a time; 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
