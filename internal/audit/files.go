package audit

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

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
	inLog, isLog := strings.CutPrefix(name, logDir+"/")
	info, err := d.Info()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &Tampered{Index: none, File: name, Reason: "is not a regular file"}
	case isLog && v.seen[inLog], name == keyFile, name == publicFile:
		return nil
	case name == lockFile && info.Size() == 0:
		return nil
	case isLog && leftover(inLog, v.state.Size):
		v.report.Unfinished = append(v.report.Unfinished, name)
		return nil
	}
	return &Tampered{Index: none, File: name, Reason: "is not part of the log"}
}
