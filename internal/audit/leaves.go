package audit

import (
	"bytes"
	"errors"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
)

// suspect is an entry that does not agree with a tile: which of the two was changed only the root tells.
type suspect struct {
	entry Tampered
	tile  string
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
	if broken == nil {
		broken = errors.New("is missing")
	}
	leaves, err := v.file(layout.TilePath(0, index, r.partial))
	if err != nil {
		return err
	}
	for i := range count {
		if i >= uint64(len(b.entries)) {
			return tampered(int64(first+i), r.path(), "%v", broken)
		}
		if err := v.entry(first+i, b.entries[i], leaves[min(len(leaves), int(i)*hashSize):], r); err != nil {
			return err
		}
	}
	if len(raw) > b.ends[count-1] {
		return tampered(int64(first+count), r.path(), "holds more than its %d entries", count)
	}
	return v.older(r, func(n int) []byte { return raw[:b.ends[n-1]] })
}

// entry adds one entry to the tree and compares it with the hashes that the tile has from there on.
func (v *verification) entry(index uint64, raw, leaves []byte, r resource) error {
	leaf := rfc6962.DefaultHasher.HashLeaf(raw)
	if !bytes.HasPrefix(leaves, leaf) {
		hashes := resource{index: r.index, partial: r.partial}
		v.suspects(index, r.path(), hashes.path(), "is not the entry that was logged")
	}
	if index >= v.checkpoint.Size || index == v.state.Size-1 {
		e, err := decode(raw)
		if err != nil {
			return tampered(int64(index), r.path(), "cannot be read: %v", err)
		}
		if index >= v.checkpoint.Size {
			v.unsigned = append(v.unsigned, e.Time)
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

// about gives a missing file the entry that it began with.
func about(err error, first uint64) error {
	var t *Tampered
	if errors.As(err, &t) {
		t.Index = int64(first)
	}
	return err
}
