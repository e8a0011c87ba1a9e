package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// There is nowhere to pull images from: the one that all containers are made of is
// written here, from the machine's busybox. The second name is that of what holds a pod together.
const (
	busyboxImage = "docker.io/local/busybox:1"
	pauseImage   = "docker.io/local/pause:1"
)

// findBusybox is the path of a busybox that needs no libraries.
func findBusybox() (string, error) {
	const advice = "containers need a static busybox (Debian: apt-get install busybox-static)"
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", errors.New(advice)
	}
	file, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return "", fmt.Errorf("%s; %s is linked dynamically", advice, path)
	}
	return path, nil
}

// writeImage writes an archive as "docker save" does.
func writeImage(ctx context.Context, path string) error {
	busybox, err := findBusybox()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	names, err := exec.CommandContext(ctx, busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("%s --list: %w", busybox, err)
	}
	layer, err := imageLayer(program, strings.Fields(string(names)))
	if err != nil {
		return err
	}
	archive, err := imageArchive(layer)
	if err != nil {
		return err
	}
	return os.WriteFile(path, archive, 0o644)
}

func imageLayer(busybox []byte, names []string) ([]byte, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, dir := range []string{"bin/", "etc/", "tmp/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o1777}); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"}); err != nil {
			return nil, err
		}
	}
	for _, f := range []file{
		{"bin/busybox", busybox, 0o755},
		{"etc/passwd", []byte("root:x:0:0:root:/:/bin/sh\n"), 0o644},
		{"etc/group", []byte("root:x:0:\n"), 0o644},
	} {
		if err := f.write(w); err != nil {
			return nil, err
		}
	}
	return layer.Bytes(), w.Close()
}

func imageArchive(layer []byte) ([]byte, error) {
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": runtime.GOOS,
		"config": map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sleep", "2147483647"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "Layers": []string{"layer.tar"}, "RepoTags": []string{busyboxImage, pauseImage},
	}})
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range []file{{"layer.tar", layer, 0o644}, {"config.json", config, 0o644}, {"manifest.json", manifest, 0o644}} {
		if err := f.write(w); err != nil {
			return nil, err
		}
	}
	return archive.Bytes(), w.Close()
}

type file struct {
	name string
	body []byte
	mode int64
}

func (f file) write(w *tar.Writer) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.body))}); err != nil {
		return err
	}
	_, err := w.Write(f.body)
	return err
}
