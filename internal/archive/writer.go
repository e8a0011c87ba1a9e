package archive

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxBatch writes share a commit.
const maxBatch = 256

// writer is the one connection that writes. Whoever writes waits for the disk, and all
// who wait meanwhile share the next commit.
type writer struct {
	db       *sql.DB
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	queue    chan *request
	// closing is closed to stop, and done once the last write is answered.
	closing, done chan struct{}
	stop          sync.Once
}

type request struct {
	do     func(*transaction) error
	answer chan error
}

// transaction is what a write works on.
type transaction struct{ w *writer }

// The writer outlives ctx.
func startWriter(ctx context.Context, source string) (*writer, error) {
	w := &writer{queue: make(chan *request), closing: make(chan struct{}), done: make(chan struct{}), prepared: map[string]*sql.Stmt{}}
	if err := w.open(ctx, source); err != nil {
		if w.db != nil {
			err = errors.Join(err, w.db.Close())
		}
		return nil, err
	}
	go w.run()
	return w, nil
}

func (w *writer) open(ctx context.Context, source string) error {
	var err error
	if w.db, err = sql.Open("sqlite", source); err != nil {
		return err
	}
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, w.conn); err != nil {
		return err
	}
	for _, statement := range statements {
		if w.prepared[statement], err = w.conn.PrepareContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) write(ctx context.Context, do func(*transaction) error) error {
	r := &request{do: do, answer: make(chan error, 1)}
	select {
	case w.queue <- r:
	case <-w.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return ctx.Err() // it may yet be written, and changes nothing when it is written again
	}
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case first := <-w.queue:
			w.serve(w.batch(first))
		case <-w.closing:
			return
		}
	}
}

// batch is a request and those that wait behind it.
func (w *writer) batch(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case next := <-w.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// serve answers a batch. Where one request fails, each is tried alone, so that it
// fails alone.
func (w *writer) serve(batch []*request) {
	err := w.commit(batch)
	if err != nil && len(batch) > 1 {
		for _, r := range batch {
			r.answer <- w.commit([]*request{r})
		}
		return
	}
	for _, r := range batch {
		r.answer <- err
	}
}

func (w *writer) commit(batch []*request) (err error) {
	tx := &transaction{w: w}
	if err := tx.exec(begin); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.exec(rollback) // errs where SQLite has rolled back by itself
		}
	}()
	for _, r := range batch {
		if err := r.do(tx); err != nil {
			return err
		}
	}
	return tx.exec(commit)
}

// The caller's context may end while others share the transaction.
func (t *transaction) exec(statement string, arguments ...any) error {
	_, err := t.w.prepared[statement].ExecContext(context.Background(), arguments...)
	return err
}

// changed is how many rows a statement changed.
func (t *transaction) changed(statement string, arguments ...any) (int64, error) {
	result, err := t.w.prepared[statement].ExecContext(context.Background(), arguments...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row reads one row; ErrNotFound if there is none.
func (t *transaction) row(statement string, arguments []any, into ...any) error {
	err := t.w.prepared[statement].QueryRowContext(context.Background(), arguments...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

func (w *writer) close() error {
	w.stop.Do(func() { close(w.closing) })
	<-w.done
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}
