package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
)

const hashSize = 32

// sealDelay is how far behind its entries a checkpoint may be: the operator signs
// within a second, so only a copy taken at that moment lacks the signature, and
// entries that span more time than this have lost theirs.
const sealDelay = 10 * time.Second

// Report is what a verified log is.
type Report struct {
	// Origin names the log in its checkpoints.
	Origin string
	// Size is the number of entries that the checkpoint signs.
	Size int64
	// RootHash of the Merkle tree over them, in hex.
	RootHash string
	// Checkpoint as signed: keep it elsewhere, and verify later logs against it.
	Checkpoint []byte
	// LastTime is the time of the last entry; zero for an empty log.
	LastTime time.Time
	// Unsigned is the number of entries behind the signed ones, in a copy that was
	// taken just before the operator signed them.
	Unsigned int64
	// Unfinished are files of writes that were not finished; they are no part of the log.
	Unfinished []string
}

// Verify recomputes a log, or a copy of its directory or of the folder log in it, from its entries. Every
// file must be what the signed root binds it to. The verifier key must come from
// somewhere else than the log. Earlier checkpoints of the same log must be
// contained in it. The error is a *Tampered for the first thing that does not
// fit; any other error means that the log could not be verified.
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
	// leaves is the level-0 tile on disk of the bundle that is being read.
	suspect *suspect
	// firstUnsigned and last are times of entries.
	firstUnsigned time.Time
	report        Report
}

// suspect is an entry that does not agree with a tile: which of the two was changed only the root tells.
type suspect struct {
	entry Tampered
	tile  string
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
	sizes := []uint64{v.checkpoint.Size, v.state.Size}
	for _, cp := range v.earlier {
		sizes = append(sizes, cp.Size)
	}
	var upper []tile
	v.tree = newTree(sizes, func(t tile) { upper = append(upper, t) })
	for index := uint64(0); index*tileWidth < v.state.Size; index++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.bundle(index); err != nil {
			return err
		}
		if err := v.tiles(upper); err != nil {
			return err
		}
		upper = upper[:0]
	}
	v.tree.rest()
	if err := v.tiles(upper); err != nil {
		return err
	}
	for _, check := range []func() error{v.roots, v.sealed, v.small, func() error { return checkKeys(v.dir, vkey) }, v.strays} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// bundle adds the entries of one file to the tree.
func (v *verification) bundle(index uint64) error {
	first := index * tileWidth
	count := min(tileWidth, v.state.Size-first)
	r := resource{entries: true, index: index, partial: uint8(count % tileWidth)}
	raw, err := v.file(r.path())
	if err != nil {
		return about(err, first)
	}
	b, broken := split(raw)
	leaves, err := v.file(layout.TilePath(0, index, r.partial))
	if err != nil {
		return err
	}
	for i := range count {
		if i >= uint64(len(b.entries)) {
			return v.missing(first+i, r.path(), broken)
		}
		if err := v.entry(first+i, b.entries[i], leaves[min(len(leaves), int(i)*hashSize):], r); err != nil {
			return err
		}
	}
	if broken != nil || uint64(len(b.entries)) > count {
		return tampered(int64(first+count), r.path(), "holds more than its %d entries", count)
	}
	return v.older(r, func(n int) []byte { return raw[:b.ends[n-1]] })
}

// missing is the error for an entry that is not there; one before it that does not fit comes first.
func (v *verification) missing(index uint64, name string, broken error) error {
	if v.suspect != nil {
		return &v.suspect.entry
	}
	if broken == nil {
		broken = errors.New("is missing")
	}
	return tampered(int64(index), name, "%v", broken)
}

func (v *verification) entry(index uint64, raw, leaves []byte, r resource) error {
	leaf := rfc6962.DefaultHasher.HashLeaf(raw)
	if !bytes.HasPrefix(leaves, leaf) {
		r0 := resource{index: r.index, partial: r.partial}
		v.suspects(index, r.path(), r0.path(), "is not the entry that was logged")
	}
	if index == v.checkpoint.Size || index == v.state.Size-1 {
		e, err := decode(raw)
		switch {
		case err != nil && v.suspect != nil:
			return &v.suspect.entry
		case err != nil:
			return tampered(int64(index), r.path(), "cannot be read: %v", err)
		}
		if index == v.checkpoint.Size {
			v.firstUnsigned = e.Time
		}
		v.report.LastTime = e.Time
	}
	return v.tree.add(leaf)
}

func (v *verification) suspects(index uint64, entries, tile, reason string) {
	if v.suspect == nil {
		v.suspect = &suspect{entry: *tampered(int64(index), entries, "%s", reason), tile: tile}
	}
}

// tiles compares tiles with the computed ones.
func (v *verification) tiles(computed []tile) error {
	for _, t := range computed {
		raw, err := v.file(t.path())
		if err != nil {
			return err
		}
		if !bytes.Equal(raw, t.hashes) {
			node := t.index*tileWidth + uint64(differs(raw, t.hashes)/hashSize)
			first := node << (layout.TileHeight * t.level)
			entries := resource{entries: true, index: first / tileWidth}
			if first/tileWidth == v.state.Size/tileWidth {
				entries.partial = uint8(v.state.Size % tileWidth)
			}
			v.suspects(first, entries.path(), t.path(), "is the first of those of which one is not what was logged")
		}
		if err := v.older(t.resource, func(n int) []byte { return t.hashes[:n*hashSize] }); err != nil {
			return err
		}
	}
	return nil
}

// differs is the offset of the first byte that is not the same.
func differs(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// older compares the files that were written while this one had fewer nodes: each must be how it begins.
func (v *verification) older(r resource, begin func(nodes int) []byte) error {
	count := int(r.partial)
	if count == 0 {
		count = tileWidth
	}
	full := r
	full.partial = 0
	names, err := os.ReadDir(filepath.Join(v.log, filepath.FromSlash(full.path()+".p")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		n, err := strconv.Atoi(name.Name())
		if err != nil || n < 1 || n >= count || strconv.Itoa(n) != name.Name() {
			continue
		}
		old := r
		old.partial = uint8(n)
		raw, err := v.file(old.path())
		if err != nil {
			return err
		}
		if !bytes.Equal(raw, begin(n)) && v.suspect == nil {
			return tampered(none, old.path(), "is not how %s begins", r.path())
		}
	}
	return nil
}

// roots compares what was computed with what was signed, and settles the suspicion.
func (v *verification) roots() error {
	signed := bytes.Equal(v.tree.roots[v.checkpoint.Size], v.checkpoint.Hash)
	current := bytes.Equal(v.tree.roots[v.state.Size], v.state.Root)
	switch {
	case v.suspect != nil && signed && current:
		return tampered(none, v.suspect.tile, "does not hold the hashes of its entries")
	case v.suspect != nil:
		return &v.suspect.entry
	case !signed:
		return tampered(none, layout.CheckpointPath, "the entries and all their hashes were rewritten: their root is %x, signed is %x", v.tree.roots[v.checkpoint.Size], v.checkpoint.Hash)
	case !current:
		return tampered(none, statePath, "the root of the entries is %x, not %x", v.tree.roots[v.state.Size], v.state.Root)
	}
	for _, cp := range v.earlier {
		if cp.Size > v.checkpoint.Size {
			return tampered(int64(v.checkpoint.Size), layout.CheckpointPath, "was rolled back: %d entries were signed earlier", cp.Size)
		}
		if !bytes.Equal(v.tree.roots[cp.Size], cp.Hash) {
			return tampered(none, layout.CheckpointPath, "is of another history: the first %d entries are not those that were signed earlier", cp.Size)
		}
	}
	return nil
}

// sealed refuses entries that have been without a signature for too long.
func (v *verification) sealed() error {
	if v.report.Unsigned > 0 && v.report.LastTime.Sub(v.firstUnsigned) > sealDelay {
		return tampered(int64(v.checkpoint.Size), layout.CheckpointPath, "is older than the entries: the last %d are not signed", v.report.Unsigned)
	}
	return nil
}

// small checks the files whose content is known.
func (v *verification) small() error {
	raw, err := v.file(versionPath)
	if err != nil {
		return err
	}
	if string(raw) != "1" {
		return tampered(none, versionPath, "must be 1")
	}
	for _, name := range []string{statePath + ".lock", ".state/publish.lock"} {
		raw, err := v.file(name)
		if err == nil && len(raw) > 0 {
			return tampered(none, name, "must be empty")
		}
	}
	return nil
}

// strays refuses files that are no part of the log.
func (v *verification) strays() error {
	return filepath.WalkDir(v.dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(v.dir, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if v.log == v.dir {
			name = path.Join(logDir, name)
		}
		if d.IsDir() {
			if name == "lost+found" {
				return fs.SkipDir
			}
			return nil
		}
		return v.stray(name, d)
	})
}

func (v *verification) stray(name string, d fs.DirEntry) error {
	inLog, isLog := bytes.CutPrefix([]byte(name), []byte(logDir+"/"))
	info, err := d.Info()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &Tampered{Index: none, File: name, Reason: "is not a regular file"}
	case isLog && v.seen[string(inLog)], name == keyFile, name == publicFile:
		return nil
	case name == lockFile && info.Size() == 0:
		return nil
	case isLog && leftover(string(inLog), v.state.Size):
		v.report.Unfinished = append(v.report.Unfinished, name)
		return nil
	}
	return &Tampered{Index: none, File: name, Reason: "is not part of the log"}
}

// about gives a missing file the entry that it began with.
func about(err error, first uint64) error {
	var t *Tampered
	if errors.As(err, &t) {
		t.Index = int64(first)
	}
	return err
}

func sortedKeys[V any](m map[uint64]V) []uint64 { return slices.Sorted(maps.Keys(m)) }
