package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCgroupMounts(t *testing.T) {
	tests := map[string]struct {
		mountinfo string
		want      []string
	}{
		"one hierarchy": {
			"29 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n30 24 0:27 / /sys/fs/pstore rw - pstore pstore rw\n",
			[]string{"/sys/fs/cgroup"},
		},
		"one a controller": {
			"30 24 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n31 30 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n" +
				"32 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			[]string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"},
		},
		"none": {"24 1 0:22 / /proc rw - proc proc rw\n", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := cgroupMounts(tt.mountinfo); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOnlyAbandonedCgroupsGo(t *testing.T) {
	dir := t.TempDir()
	const nobody = 1 << 30 // more than any process id
	abandoned, used := filepath.Join(dir, cgroupPrefix+strconv.Itoa(nobody)), filepath.Join(dir, cgroupPrefix+strconv.Itoa(os.Getpid()))
	for _, path := range []string{filepath.Join(abandoned, "node-1", "pods"), used, filepath.Join(dir, "system")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeAbandoned(dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if want := []string{filepath.Join(dir, "system"), used}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %v (%v), want %v", left, err, want)
	}
}

func TestImageHoldsEveryProgram(t *testing.T) {
	layer, err := imageLayer([]byte("program"), []string{"busybox", "ps", "sh"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[header.Name] = header.Linkname
	}
	for name, link := range map[string]string{"bin/busybox": "", "bin/ps": "busybox", "bin/sh": "busybox"} {
		if found, ok := got[name]; !ok || found != link {
			t.Errorf("%s links to %q (%v), want %q", name, found, ok, link)
		}
	}
}

func TestNodesNeedASandbox(t *testing.T) {
	t.Setenv(sandboxVariable, "")
	err := start(t.Context(), startOptions{dir: t.TempDir(), withNodes: true})
	if err == nil || !strings.Contains(err.Error(), "sandbox") {
		t.Errorf("nodes outside of a sandbox: %v", err)
	}
}

// What a command writes to the folders of a node, mounts and starts is nothing that the machine ever sees.
func TestSandboxLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a sandbox needs root")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "controlplane")
	output(t, "go", "build", "-o", program, ".")
	if printed, err := exec.CommandContext(t.Context(), program, "sandbox", "true").CombinedOutput(); err != nil {
		t.Skipf("%s", printed)
	}
	group := strings.TrimSpace(output(t, program, "sandbox", "sh", "-c",
		"echo $TOCSIN_SANDBOX; touch /run/left /var/lib/left /var/log/left; mount -t tmpfs none "+dir+"; sleep 1000 >/dev/null 2>&1 &"))
	left := []string{"/run/left", "/var/lib/left", "/var/log/left"}
	for _, pattern := range []string{"/sys/fs/cgroup/" + group, "/sys/fs/cgroup/*/" + group} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	for _, path := range left {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("a mount is left (%v)", err)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = t.Output()
	printed, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(printed)
}
