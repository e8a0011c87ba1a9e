// Package lab starts what demonstrations and benchmarks need: a control plane,
// Tocsin's objects in it, identities, and the operator as a process.
package lab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Lab is a work folder and the project whose programs run in it.
type Lab struct {
	// Root is the project, Dir the work folder below which everything is kept.
	Root, Dir string

	assets string
}

// Build builds the control plane and programs of Tocsin, none or some, where caches do not hold them.
func (l *Lab) Build(ctx context.Context, programs ...string) error {
	assets, err := l.controlplane(ctx, "assets")
	if err != nil {
		return err
	}
	l.assets = strings.TrimSpace(assets)
	if len(programs) == 0 {
		return nil
	}
	args := append([]string{"build", "-o", l.File("bin") + "/"}, programs...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.Root, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Clean stops what an earlier run left behind and empties the work folder. It comes before Build.
func (l *Lab) Clean(ctx context.Context) error {
	if _, err := os.Stat(l.Dir); err == nil {
		if _, err := l.controlplane(ctx, "stop", "--dir", l.File("cluster")); err != nil {
			return fmt.Errorf("stop the earlier cluster: %w", err)
		}
	}
	if err := StopLeftover(l.File(pidFile)); err != nil {
		return fmt.Errorf("stop the earlier operator: %w", err)
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		return err
	}
	return os.MkdirAll(l.Dir, 0o755)
}

// File is the path of a file in the work folder.
func (l *Lab) File(name string) string { return filepath.Join(l.Dir, name) }

// Path is a PATH on which what was built comes first.
func (l *Lab) Path() string {
	return strings.Join([]string{l.assets, l.File("bin"), os.Getenv("PATH")}, string(os.PathListSeparator))
}

// controlplane runs hack/controlplane, a module of its own. Its progress goes to stderr.
func (l *Lab) controlplane(ctx context.Context, args ...string) (string, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "."}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(l.Root, "hack", "controlplane"), &output, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("controlplane %s: %w", args[0], err)
	}
	return output.String(), nil
}

// Kubectl runs kubectl as the owner of a kubeconfig, in the project's folder.
func (l *Lab) Kubectl(ctx context.Context, kubeconfig string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(l.assets, "kubectl"), args...)
	cmd.Dir = l.Root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

// Eventually waits until check returns true; what it says last is in the error.
func Eventually(ctx context.Context, limit time.Duration, what string, check func(context.Context) (ok bool, seen string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := "nothing yet"
	for {
		ok, seen, err := check(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			seen = err.Error()
		}
		if seen != "" {
			last = seen
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s; last seen: %s", limit, what, last)
		case <-tick.C:
		}
	}
}

// FreeAddress is a local address that nobody listens on.
func FreeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
