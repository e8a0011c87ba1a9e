package main

import (
	"bytes"
	"context"
	"crypto/sha256"
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

// module is a Go module that programs are built from.
type module struct {
	// dir of its go.mod below this one.
	dir string
	// release is the dependency whose version names the folder in the cache.
	release string
	what    string
}

var (
	kubernetes = module{".", "k8s.io/kubernetes", "Kubernetes"}
	// The runtime's dependencies and those of Kubernetes must not choose each other's versions.
	containerRuntime = module{"node", "github.com/containerd/containerd/v2", "the container runtime, containerd"}
)

// binary is a program and the Go package it is built from.
type binary struct {
	name string
	pkg  string
	// flags of go build, beside those that all have.
	flags []string
}

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubectl           = "kubectl"
)

var binaries = []binary{
	{name: apiServer, pkg: "k8s.io/kubernetes/cmd/kube-apiserver"},
	{name: controllerManager, pkg: "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{name: kubectl, pkg: "k8s.io/kubernetes/cmd/kubectl"},
	{name: etcd, pkg: "./etcd"},
}

// ensureBuilt returns the module's folder in the cache, after building those of the
// wanted programs that it lacks.
func (m module) ensureBuilt(ctx context.Context, wanted []binary) (string, error) {
	dir, err := m.cacheDir()
	if err != nil {
		return "", err
	}
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
	return dir, m.buildAll(ctx, dir, missing(dir, wanted))
}

// cacheDir is where the module's programs are, or will be.
func (m module) cacheDir() (string, error) {
	root, err := cacheRoot(os.Getenv)
	if err != nil {
		return "", err
	}
	version, err := m.version()
	if err != nil {
		return "", err
	}
	sums, err := m.read("go.sum")
	return filepath.Join(root, cacheKey(version, sums), "bin"), err
}

func (m module) version() (string, error) {
	mod, err := m.read("go.mod")
	return requiredVersion(string(mod), m.release), err
}

func (m module) read(name string) ([]byte, error) {
	src, err := sourceDir()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(src, m.dir, name))
}

func (m module) buildAll(ctx context.Context, dir string, todo []binary) error {
	if len(todo) == 0 {
		return nil
	}
	version, err := m.version()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Building %s %s into %s.\n", m.what, version, dir)
	fmt.Fprintln(os.Stderr, "Once only; with an empty Go cache it takes minutes: eight for a control plane on two cores, four for a node.")
	for i, b := range todo {
		done := showProgress(os.Stderr, fmt.Sprintf("[%d/%d] %s", i+1, len(todo), b.name))
		err := m.build(ctx, dir, version, b)
		done(err)
		if err != nil {
			return err
		}
	}
	return nil
}

// build writes beside the final name and renames, so that an interrupted build
// leaves nothing that looks finished.
func (m module) build(ctx context.Context, dir, version string, b binary) error {
	src, err := sourceDir()
	if err != nil {
		return err
	}
	partial := filepath.Join(dir, "."+b.name+".partial")
	defer os.Remove(partial)

	args := append([]string{"build", "-ldflags", linkFlags(version), "-o", partial}, b.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, b.pkg)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir = filepath.Join(src, m.dir)
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

// requiredVersion reads the version of a dependency that a go.mod requires.
func requiredVersion(mod, path string) string {
	for line := range strings.Lines(mod) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == path {
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
		fmt.Fprintln(os.Stderr, "Waiting for another build to end.")
		if err := syscall.Flock(fd, syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
	}
	return func() { f.Close() }, nil
}
