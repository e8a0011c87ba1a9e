package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

//go:embed go.mod
var goMod string

//go:embed go.sum
var goSum []byte

// binary is a program of the control plane and the Go package it is built from.
type binary struct {
	name string
	pkg  string
}

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubectl           = "kubectl"
)

var binaries = []binary{
	{apiServer, "k8s.io/kubernetes/cmd/kube-apiserver"},
	{controllerManager, "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{kubectl, "k8s.io/kubernetes/cmd/kubectl"},
	{etcd, "./etcd"},
}

// ensureBuilt returns the cache folder, after building those of the wanted
// programs that it lacks.
func ensureBuilt(ctx context.Context, wanted []binary) (string, error) {
	root, err := cacheRoot(os.Getenv)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, cacheKey(kubernetesVersion(goMod), goSum), "bin")
	if len(missing(dir, wanted)) == 0 {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(filepath.Dir(dir), "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	return dir, buildAll(ctx, dir, missing(dir, wanted))
}

func buildAll(ctx context.Context, dir string, todo []binary) error {
	if len(todo) == 0 {
		return nil
	}
	fmt.Fprintf(os.Stderr, "Building the control plane (Kubernetes %s) into %s.\n", kubernetesVersion(goMod), dir)
	fmt.Fprintln(os.Stderr, "Once only; with an empty Go cache it takes about eight minutes on two cores.")
	for i, b := range todo {
		done := showProgress(os.Stderr, fmt.Sprintf("[%d/%d] %s", i+1, len(todo), b.name))
		err := build(ctx, dir, b)
		done(err)
		if err != nil {
			return err
		}
	}
	return nil
}

// build writes beside the final name and renames, so that an interrupted build
// leaves nothing that looks finished.
func build(ctx context.Context, dir string, b binary) error {
	src, err := sourceDir()
	if err != nil {
		return err
	}
	partial := filepath.Join(dir, "."+b.name+".partial")
	defer os.Remove(partial)

	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", linkFlags(kubernetesVersion(goMod)), "-o", partial, b.pkg)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("building %s was interrupted", b.name)
		}
		return fmt.Errorf("building %s: %w\n%s", b.name, err, lastLines(output.String(), 30))
	}
	return os.Rename(partial, filepath.Join(dir, b.name))
}

func missing(dir string, wanted []binary) []binary {
	var out []binary
	for _, b := range wanted {
		if !isExecutable(filepath.Join(dir, b.name)) {
			out = append(out, b)
		}
	}
	return out
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func cacheRoot(getenv func(string) string) (string, error) {
	if dir := getenv("TOCSIN_CACHE"); dir != "" {
		return filepath.Join(dir, "controlplane"), nil
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "tocsin", "controlplane"), nil
	}
	if dir := getenv("HOME"); dir != "" {
		return filepath.Join(dir, ".cache", "tocsin", "controlplane"), nil
	}
	return "", errors.New("no cache folder: set TOCSIN_CACHE or HOME")
}

func cacheKey(version string, sums []byte) string {
	digest := sha256.Sum256(sums)
	return version + "-" + hex.EncodeToString(digest[:6])
}

// kubernetesVersion reads the required version of k8s.io/kubernetes from a go.mod.
func kubernetesVersion(mod string) string {
	for line := range strings.Lines(mod) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "k8s.io/kubernetes" {
			return fields[1]
		}
	}
	return "unknown"
}

// linkFlags stamps the version as Kubernetes' own build does; without it
// kube-apiserver says v0.0.0 and clients refuse it.
func linkFlags(version string) string {
	const pkg = "k8s.io/component-base/version."
	flags := "-s -w -X " + pkg + "gitVersion=" + version
	if parts := strings.Split(strings.TrimPrefix(version, "v"), "."); len(parts) == 3 {
		flags += " -X " + pkg + "gitMajor=" + parts[0] + " -X " + pkg + "gitMinor=" + parts[1]
	}
	return flags
}

func sourceDir() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	dir := filepath.Dir(file)
	if !ok || !filepath.IsAbs(dir) {
		return "", errors.New("building needs the sources: use go run in hack/controlplane, without -trimpath")
	}
	return dir, nil
}

// lock waits until no other build works on the same cache folder.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	fd := int(f.Fd())
	if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		fmt.Fprintln(os.Stderr, "Waiting for another build of the control plane to end.")
		if err := syscall.Flock(fd, syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
	}
	return func() { f.Close() }, nil
}
