package audit

import (
	"regexp"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
)

// Paths in the log's directory, as Tessera's POSIX driver lays it out.
const (
	statePath   = ".state/treeState"
	versionPath = ".state/version"
	entriesDir  = "tile/entries/"
	tileWidth   = layout.TileWidth
)

// resource is a file that holds entries or hashes: the nodes of one level, 256 at most.
type resource struct {
	entries bool
	level   uint64
	index   uint64
	// partial is the number of nodes in a file that was not full when written; 0 for a full one.
	partial uint8
}

func (r resource) path() string {
	if r.entries {
		return layout.EntriesPath(r.index, r.partial)
	}
	return layout.TilePath(r.level, r.index, r.partial)
}

// parseResource reads a path as path writes it.
func parseResource(path string) (resource, bool) {
	var r resource
	var err error
	if rest, ok := strings.CutPrefix(path, entriesDir); ok {
		r.entries = true
		r.index, r.partial, err = layout.ParseTileIndexPartial(rest)
	} else if rest, ok := strings.CutPrefix(path, "tile/"); ok {
		level, index, _ := strings.Cut(rest, "/")
		r.level, r.index, r.partial, err = layout.ParseTileLevelIndexPartial(level, index)
	} else {
		return r, false
	}
	return r, err == nil && r.level < 8 && r.path() == path
}

// place of a resource in a log of some size.
type place int

const (
	// current: it belongs to the log, now or at a smaller size.
	current place = iota
	// superseded: a full one has taken its place.
	superseded
	// beyond: it holds more than the log has.
	beyond
)

func (r resource) placeIn(size uint64) place {
	nodes := size >> (layout.TileHeight * r.level)
	full, edge := nodes/tileWidth, nodes%tileWidth
	switch {
	case r.index < full && r.partial == 0:
		return current
	case r.index < full:
		return superseded
	case r.index == full && r.partial > 0 && uint64(r.partial) <= edge:
		return current
	}
	return beyond
}

// interrupted matches what an interrupted write leaves: the name of a file of the log with digits behind.
var interrupted = regexp.MustCompile(`^(checkpoint|\.state/(treeState|version)|tile/(entries|[0-9]+)/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]+)?)[0-9]+$`)

// leftover says whether a file is what an interrupted write leaves: it is no part of the log yet.
func leftover(path string, size uint64) bool {
	if r, ok := parseResource(path); ok {
		return r.placeIn(size) == beyond
	}
	return interrupted.MatchString(path)
}
