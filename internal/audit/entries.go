package audit

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
)

// Entries reads the entries of a log, of a copy, or of a copy of the folder log alone, in
// order, without verifying them. After an error there is nothing more.
func Entries(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		log := locate(dir)
		now, err := readState(log)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for index := uint64(0); index*tileWidth < now.Size; index++ {
			if !yieldBundle(log, index, now.Size, yield) {
				return
			}
		}
	}
}

func yieldBundle(log string, index, size uint64, yield func(Entry, error) bool) bool {
	first := index * tileWidth
	count := min(tileWidth, size-first)
	r := resource{entries: true, index: index, partial: uint8(count % tileWidth)}
	raw, err := os.ReadFile(filepath.Join(log, filepath.FromSlash(r.path())))
	if err != nil {
		yield(Entry{}, err)
		return false
	}
	b, err := split(raw)
	if err != nil {
		yield(Entry{}, fmt.Errorf("entry %d: %w", first+uint64(len(b.entries)), err))
		return false
	}
	for i, raw := range b.entries {
		e, err := decode(raw)
		if err != nil {
			yield(Entry{}, fmt.Errorf("entry %d: %w", first+uint64(i), err))
			return false
		}
		e.Index = int64(first) + int64(i)
		if !yield(e, nil) {
			return false
		}
	}
	return true
}
