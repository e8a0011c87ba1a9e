package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
)

// Verify recomputes a log from its entries, in its directory, in a copy of it, or
// in a copy of the folder log alone. Every file must be what the signed root binds
// it to. The verifier key must come from somewhere else than the log. Earlier
// checkpoints of the same log must be contained in it. The error is a *Tampered
// for the first thing that does not fit; any other error means that the log could
// not be verified.
func Verify(ctx context.Context, dir, vkey string, earlier ...[]byte) (Report, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return Report{}, fmt.Errorf("public key %q: %w", vkey, err)
	}
	v := &verification{dir: dir, log: locate(dir), seen: map[string]bool{}}
	for i, raw := range earlier {
		cp, err := openCheckpoint(raw, verifier)
		if err != nil {
			return Report{}, fmt.Errorf("earlier checkpoint %d: %w", i+1, err)
		}
		v.earlier = append(v.earlier, cp)
	}
	if err := v.read(verifier); err != nil {
		return Report{}, err
	}
	if err := v.run(ctx, vkey); err != nil {
		return Report{}, err
	}
	return v.report, nil
}

// verification of one log.
type verification struct {
	// dir that was given, and the folder of the log: in it, or itself.
	dir, log   string
	checkpoint log.Checkpoint
	earlier    []log.Checkpoint
	state      state
	tree       *tree
	// seen are the files that were verified, relative to the log.
	seen map[string]bool
	// suspect is the first that was found.
	suspect *suspect
	// unsigned are the times of the entries behind the signed ones.
	unsigned []time.Time
	report   Report
}

// locate is the folder of the log in a directory, which a copy may consist of.
func locate(dir string) string {
	if _, err := os.Stat(filepath.Join(dir, layout.CheckpointPath)); err == nil {
		return dir
	}
	return filepath.Join(dir, logDir)
}

// tampered names a file of the log.
func tampered(index int64, name, format string, args ...any) *Tampered {
	return &Tampered{Index: index, File: path.Join(logDir, name), Reason: fmt.Sprintf(format, args...)}
}

// file reads a file of the log and marks it as seen.
func (v *verification) file(name string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(v.log, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tampered(none, name, "is missing")
	}
	v.seen[name] = true
	return raw, err
}

// read reads what says how large the log is.
func (v *verification) read(verifier note.Verifier) error {
	raw, err := v.file(layout.CheckpointPath)
	if err != nil {
		return err
	}
	if v.checkpoint, err = openCheckpoint(raw, verifier); err != nil {
		return tampered(none, layout.CheckpointPath, "%v", err)
	}
	if _, err := v.file(statePath); err != nil {
		return err
	}
	if v.state, err = readState(v.log); err != nil {
		return tampered(none, statePath, "%v", err)
	}
	if v.state.Size < v.checkpoint.Size {
		return tampered(int64(v.state.Size), statePath, "the log has %d entries, but %d were signed", v.state.Size, v.checkpoint.Size)
	}
	v.report = Report{
		Origin:     v.checkpoint.Origin,
		Size:       int64(v.checkpoint.Size),
		RootHash:   hex.EncodeToString(v.checkpoint.Hash),
		Checkpoint: raw,
		Unsigned:   int64(v.state.Size - v.checkpoint.Size),
	}
	return nil
}

func (v *verification) run(ctx context.Context, vkey string) error {
	if err := v.recompute(ctx); err != nil {
		return v.first(err)
	}
	keys := func() error { return checkKeys(v.dir, vkey) }
	for _, check := range []func() error{v.roots, v.sealed, v.small, keys, v.strays} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// recompute builds the tree from the entries and compares every file of it.
func (v *verification) recompute(ctx context.Context) error {
	sizes := []uint64{v.checkpoint.Size, v.state.Size}
	for _, cp := range v.earlier {
		sizes = append(sizes, cp.Size)
	}
	var computed []tile
	v.tree = newTree(sizes, func(t tile) { computed = append(computed, t) })
	for index := uint64(0); index*tileWidth < v.state.Size; index++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.bundle(index); err != nil {
			return err
		}
		if err := v.tiles(computed); err != nil {
			return err
		}
		computed = computed[:0]
	}
	v.tree.rest()
	return v.tiles(computed)
}

// first prefers the suspect, which came before what cannot be recomputed any further.
func (v *verification) first(err error) error {
	if v.suspect != nil && errors.As(err, new(*Tampered)) {
		return &v.suspect.entry
	}
	return err
}
