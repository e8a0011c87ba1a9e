package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An API server whose audit webhook is gone would retry for longer than anybody waits.
const stopGrace = 5 * time.Second

// process is a program of the control plane that outlives this command.
type process struct {
	name string
	dir  string
	died chan struct{}
}

func pidFile(dir, name string) string { return filepath.Join(dir, name+".pid") }
func logFile(dir, name string) string { return filepath.Join(dir, name+".log") }

// launch starts a program in a session of its own, so that neither the end of
// this command nor Ctrl-C in its terminal reaches it.
func launch(dir, name, path string, args []string) (*process, error) {
	log, err := os.Create(logFile(dir, name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	// Programs that it runs itself are those built with it, not an older release of the machine's.
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, dir: dir, died: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the log says why; waitFor reports it
		close(p.died)
	}()
	return p, os.WriteFile(pidFile(dir, name), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644)
}

// waitFor polls until ready returns nil; it ends early, with the end of the
// log, when the process dies.
func (p *process) waitFor(ctx context.Context, timeout time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	err := errors.New("not asked yet")
	for {
		select {
		case <-p.died:
			return fmt.Errorf("%s died while starting; the end of %s:\n%s", p.name, logFile(p.dir, p.name), p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w; the end of %s:\n%s", p.name, timeout, err, logFile(p.dir, p.name), p.logTail())
		case <-ticker.C:
			if err = ready(ctx); err == nil {
				return nil
			}
		}
	}
}

func (p *process) logTail() string {
	data, err := os.ReadFile(logFile(p.dir, p.name))
	if err != nil {
		return err.Error()
	}
	return lastLines(string(data), 15)
}

// stop ends the process of that name in dir, if it is still the one that was
// started there. It waits, so that ports and data are free afterwards.
func stop(dir, name string) error {
	pid, err := runningPID(dir, name)
	if err != nil {
		return err
	}
	if pid != 0 {
		if err := terminate(dir, name, pid); err != nil {
			return fmt.Errorf("stopping %s (pid %d): %w", name, pid, err)
		}
	}
	if err := os.Remove(pidFile(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func terminate(dir, name string, pid int) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		for deadline := time.Now().Add(stopGrace); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if still, err := runningPID(dir, name); err != nil || still != pid {
				return err
			}
		}
	}
	return errors.New("it does not end")
}

// runningPID is the pid of the process that was started in dir under that name,
// or 0 when it is gone. A pid is reused sooner or later, so the command line
// decides.
func runningPID(dir, name string) (int, error) {
	data, err := os.ReadFile(pidFile(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s holds no pid: %q", pidFile(dir, name), data)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !startedIn(cmdline, dir, name) {
		return 0, nil
	}
	return pid, nil
}

// startedIn tells from /proc/<pid>/cmdline whether a process is the named
// program, working on dir.
func startedIn(cmdline []byte, dir, name string) bool {
	args := bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0})
	if filepath.Base(string(args[0])) != name {
		return false
	}
	for _, arg := range args[1:] {
		if bytes.Contains(arg, []byte("="+dir+string(filepath.Separator))) {
			return true
		}
	}
	return false
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
