package audit

import (
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
)

// tree computes a Merkle tree from its leaves: the tiles of every level and the
// roots at sizes of interest. It keeps no more than one tile a level.
type tree struct {
	leaves *compact.Range
	// roots by size, filled in as the tree passes that size.
	roots map[uint64][]byte
	// edge is the last tile of each level, 256 hashes at most.
	edge map[uint64]*tile
	// full is called with each tile that is complete.
	full func(tile)
}

// tile is a run of hashes of one level.
type tile struct {
	resource
	hashes []byte
}

func newTree(sizes []uint64, full func(tile)) *tree {
	t := &tree{
		leaves: (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0),
		roots:  map[uint64][]byte{0: rfc6962.DefaultHasher.EmptyRoot()},
		edge:   map[uint64]*tile{},
		full:   full,
	}
	for _, size := range sizes {
		if size > 0 {
			t.roots[size] = nil
		}
	}
	return t
}

// add appends a leaf hash.
func (t *tree) add(leaf []byte) error {
	if err := t.leaves.Append(leaf, t.visit); err != nil {
		return fmt.Errorf("computing the tree: %w", err)
	}
	size := t.leaves.End()
	if _, wanted := t.roots[size]; !wanted {
		return nil
	}
	root, err := t.leaves.GetRootHash(nil)
	t.roots[size] = root
	return err
}

// visit is called with every node of the tree, once; tiles hold those of every eighth level.
func (t *tree) visit(id compact.NodeID, hash []byte) {
	if id.Level%layout.TileHeight != 0 {
		return
	}
	level := uint64(id.Level / layout.TileHeight)
	current := t.edge[level]
	if current == nil {
		current = &tile{resource: resource{level: level, index: id.Index / tileWidth}}
		t.edge[level] = current
	}
	current.hashes = append(current.hashes, hash...)
	if id.Index%tileWidth == tileWidth-1 {
		delete(t.edge, level)
		t.full(*current)
	}
}

// rest calls full with the tiles that are not complete.
func (t *tree) rest() {
	for _, level := range sortedKeys(t.edge) {
		current := *t.edge[level]
		current.partial = uint8(len(current.hashes) / hashSize)
		t.full(current)
	}
}
