package investigation_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/archive"
)

// openArchive opens an empty one, in place of any that there was.
func (w *world) openArchive() {
	w.t.Helper()
	opened, err := archive.Open(w.t.Context(), w.t.TempDir(), time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			w.t.Error(err)
		}
	})
	w.archive = opened
}

// volume is the archive on a disk that may be full.
type volume struct {
	*archive.Archive
	w *world
}

func (v volume) PutBlobs(ctx context.Context, bodies ...[]byte) error {
	if err := v.room(); err != nil {
		return err
	}
	return v.Archive.PutBlobs(ctx, bodies...)
}

func (v volume) PutCase(ctx context.Context, c archive.Case, rules []string) (bool, error) {
	if err := v.room(); err != nil {
		return false, err
	}
	v.w.concludes(c.Name)
	return v.Archive.PutCase(ctx, c, rules)
}

func (v volume) room() error {
	if v.w.full.Load() {
		v.w.refused.Add(1)
		return errors.New("no space left on device")
	}
	return nil
}

func (w *world) concludes(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.order, name) {
		w.order = append(w.order, name)
	}
}
