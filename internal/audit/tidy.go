//go:build unix

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// tidy removes what interrupted writes left behind and what full files have
// superseded, so that every file that stays is bound by the log's root. Anything
// else that does not belong is left for Verify to find.
func tidy(path string) error {
	now, err := readState(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", statePath, err)
	}
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(path, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		r, ok := parseResource(name)
		if leftover(name, now.Size) || ok && r.placeIn(now.Size) == superseded {
			return os.Remove(file)
		}
		return nil
	})
}
