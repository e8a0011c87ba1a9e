package audit

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/transparency-dev/tessera/api/layout"
)

const hashSize = 32

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
		if !bytes.Equal(raw, begin(n)) {
			return tampered(none, old.path(), "is not how %s begins", r.path())
		}
	}
	return nil
}

func sortedKeys[V any](m map[uint64]V) []uint64 { return slices.Sorted(maps.Keys(m)) }
