package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// build makes the binaries of the control plane and of Tocsin, unless they are there.
func (s *stage) build(ctx context.Context) error {
	s.path = filepath.Join(s.root, "bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	if err := s.clean(ctx); err != nil {
		return err
	}
	s.chapter("Build")
	assets, err := s.goRun(ctx, "run", ".", "assets")
	if err != nil {
		return err
	}
	s.path = strings.TrimSpace(assets) + string(os.PathListSeparator) + s.path
	s.say("go build -o bin/ ./cmd/tocsin ./cmd/kubectl-soc (minutes the first time, seconds after)")
	build := exec.CommandContext(ctx, "go", "build", "-o", "bin/", "./cmd/tocsin", "./cmd/kubectl-soc")
	build.Dir, build.Stdout, build.Stderr = s.root, s.out, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	s.t0 = time.Now()
	return nil
}

// clean stops and removes what an earlier demo left behind.
func (s *stage) clean(ctx context.Context) error {
	if _, err := os.Stat(s.dir); errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(s.dir, 0o755)
	}
	if _, err := s.goRun(ctx, "run", ".", "stop", "--dir", s.file("cluster")); err != nil {
		return fmt.Errorf("stop the earlier demo: %w", err)
	}
	if err := lab.StopLeftover(s.file("operator.pid")); err != nil {
		return fmt.Errorf("stop the earlier operator: %w", err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	return os.MkdirAll(s.dir, 0o755)
}

// goRun runs hack/controlplane, which is a module of its own. Progress goes to stderr.
func (s *stage) goRun(ctx context.Context, args ...string) (string, error) {
	var output strings.Builder
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(s.root, "hack", "controlplane")
	cmd.Stdout, cmd.Stderr = io.Writer(&output), os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("controlplane %s: %w", strings.Join(args[2:], " "), err)
	}
	return output.String(), nil
}
