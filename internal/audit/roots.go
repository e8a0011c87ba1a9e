package audit

import (
	"bytes"
	"slices"
	"time"

	"github.com/transparency-dev/tessera/api/layout"
)

// sealDelay is how far behind its entries a checkpoint may be: the operator signs
// within a second, so only a copy taken at that moment lacks the signature, and
// entries that span more time than this have lost theirs.
const sealDelay = 10 * time.Second

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
	if len(v.unsigned) == 0 {
		return nil
	}
	first, last := slices.MinFunc(v.unsigned, time.Time.Compare), slices.MaxFunc(v.unsigned, time.Time.Compare)
	if last.Sub(first) > sealDelay {
		return tampered(int64(v.checkpoint.Size), layout.CheckpointPath, "is older than the entries: the last %d are not signed", v.report.Unsigned)
	}
	return nil
}
