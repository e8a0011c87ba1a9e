package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupPrefix = "tocsin-node-"

// cgroup is where the pods of a sandbox are counted: a folder in each hierarchy, which
// no namespace removes.
type cgroup struct {
	name        string
	hierarchies []string
}

// makeCgroup makes one named after this process, and removes those of processes that were killed.
func makeCgroup() (*cgroup, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	c := &cgroup{name: cgroupPrefix + strconv.Itoa(os.Getpid()), hierarchies: cgroupMounts(string(mounts))}
	if len(c.hierarchies) == 0 {
		return nil, errors.New("a node needs cgroups, and none are mounted")
	}
	for _, dir := range c.hierarchies {
		if err := removeAbandoned(dir); err != nil {
			return nil, err
		}
		for _, n := range nodesIn(filepath.Join(dir, c.name)) {
			if err := os.MkdirAll(n.dir, 0o755); err != nil {
				return nil, errors.Join(fmt.Errorf("a node needs cgroups of its own: %w", err), c.remove())
			}
		}
	}
	return c, nil
}

// cgroupMounts are the mount points of all hierarchies in a mountinfo.
func cgroupMounts(mountinfo string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		mount, filesystem, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(mount); len(fields) > 4 && strings.HasPrefix(filesystem, "cgroup") {
			found = append(found, fields[4])
		}
	}
	return found
}

func removeAbandoned(hierarchy string) error {
	found, err := filepath.Glob(filepath.Join(hierarchy, cgroupPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range found {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), cgroupPrefix))
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := removeTree(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *cgroup) remove() error {
	var errs []error
	for _, dir := range c.hierarchies {
		errs = append(errs, removeTree(filepath.Join(dir, c.name)))
	}
	return errors.Join(errs...)
}

// removeTree removes folders from the innermost out; the files in them are the kernel's.
// The kernel may still be counting what has just ended.
func removeTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		err := os.Remove(dir)
		for deadline := time.Now().Add(stopGrace); errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); err = os.Remove(dir) {
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
