package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestStartedIn(t *testing.T) {
	tests := map[string]struct {
		cmdline []string
		want    bool
	}{
		"the process that was started":      {[]string{"/cache/etcd", "--data-dir=/play/etcd"}, true},
		"another program with its pid":      {[]string{"/bin/sleep", "--data-dir=/play/etcd"}, false},
		"the same program for somebody":     {[]string{"/usr/bin/etcd", "--data-dir=/var/lib/etcd"}, false},
		"a folder whose name starts alike":  {[]string{"/cache/etcd", "--data-dir=/play2/etcd"}, false},
		"the folder in the program's path":  {[]string{"/play/etcd", "--data-dir=/other/etcd"}, false},
		"a zombie, whose command line went": {nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmdline := []byte(strings.Join(tt.cmdline, "\x00") + "\x00")
			if got := startedIn(cmdline, "/play", etcd); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStopLeavesStrangersAlone(t *testing.T) {
	dir := t.TempDir()
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = stranger.Wait(); close(ended) }()
	t.Cleanup(func() { _ = stranger.Process.Kill(); <-ended })

	pid := strconv.Itoa(stranger.Process.Pid)
	if err := os.WriteFile(pidFile(dir, etcd), []byte(pid+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := stop(dir, etcd); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Error("stopped a process it had not started")
	case <-time.After(200 * time.Millisecond):
	}
	if _, err := os.Stat(pidFile(dir, etcd)); !os.IsNotExist(err) {
		t.Errorf("the stale pid file is still there: %v", err)
	}
}

func TestStopRefusesAPidFileItDidNotWrite(t *testing.T) {
	for _, content := range []string{"", "x", "-1", "1"} {
		dir := t.TempDir()
		if err := os.WriteFile(pidFile(dir, etcd), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := stop(dir, etcd); err == nil {
			t.Errorf("pid file %q: no error", content)
		}
	}
}

func TestWaitForTellsWhyAProcessDied(t *testing.T) {
	dir := t.TempDir()
	p, err := launch(dir, etcd, "/bin/sh", []string{"-c", "echo the port is taken; exit 1"})
	if err != nil {
		t.Fatal(err)
	}
	err = p.waitFor(t.Context(), 10*time.Second, func(context.Context) error { return errors.New("refused") })
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v", err)
	}
}

func TestLastLines(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"fewer than asked for": {"a\n", "a"},
		"the last ones":        {"a\nb\nc\n", "b\nc"},
		"nothing":              {"", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := lastLines(tt.text, 2); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
