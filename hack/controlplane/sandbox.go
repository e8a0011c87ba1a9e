package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

const (
	// insideCommand is how sandbox calls this program once more, as the first process inside.
	insideCommand = "inside"
	// sandboxVariable holds the name of the sandbox's cgroup.
	sandboxVariable = "TOCSIN_SANDBOX"
)

// sandbox runs a command with process ids, mounts and a network of its own. The kernel
// ends and unmounts all that is left in there when the command ends, or this program does.
func sandbox(ctx context.Context, command []string) (err error) {
	if len(command) == 0 {
		return errors.New("sandbox needs a command")
	}
	if err := checkMachine(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	group, err := makeCgroup()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.remove()) }()

	// The command dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, self, append([]string{insideCommand}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), sandboxVariable+"="+group.name)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("a node needs namespaces of its own: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}

// checkMachine tells all at once what a node would lack.
func checkMachine() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("a node needs root"))
	}
	if _, err := exec.LookPath("ip"); err != nil {
		errs = append(errs, errors.New("a node needs ip (Debian: apt-get install iproute2)"))
	}
	_, noRuntime := findRunc()
	_, noImage := findBusybox()
	return errors.Join(append(errs, noRuntime, noImage)...)
}

// inside is the first process in a sandbox, and ends as the command does.
func inside(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	if err := mountOwn(); err != nil {
		return err
	}
	if err := raiseNetwork(); err != nil {
		return err
	}
	pid, err := syscall.ForkExec(path, command, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	status, err := reap(pid)
	if err == nil && (!status.Exited() || status.ExitStatus() != 0) {
		os.Exit(max(1, status.ExitStatus()))
	}
	return err
}

// reap waits for a process, and meanwhile for those whose parents are gone.
func reap(pid int) (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || ended == pid {
			return status, err
		}
	}
}

// mountOwn hides what a node writes to from the machine, whose own files stay readable.
func mountOwn() error {
	steps := []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE, ""},
		// The kubelet mounts volumes for pods, whose mounts are copies of its own.
		{"none", "/", "", syscall.MS_REC | syscall.MS_SHARED, ""},
		{"proc", "/proc", "proc", 0, ""},
		{"tmpfs", "/run", "tmpfs", 0, "mode=755"},
		{"overlay", "/var/lib", "overlay", 0, layersOver("/var/lib")},
		{"overlay", "/var/log", "overlay", 0, layersOver("/var/log")},
		// Containers are overlays, which cannot be stacked on one.
		{"tmpfs", "/var/lib/containerd", "tmpfs", 0, "mode=755"},
		{"tmpfs", "/var/lib/kubelet", "tmpfs", 0, "mode=755"},
	}
	for _, s := range steps {
		if err := makeLayers(s.target, s.data); err != nil {
			return err
		}
		if err := syscall.Mount(s.source, s.target, s.kind, s.flags, s.data); err != nil {
			return fmt.Errorf("a node needs a %s mount at %s: %w", s.kind, s.target, err)
		}
	}
	return nil
}

func layersOver(dir string) string {
	layers := "/run/layers" + dir
	return "lowerdir=" + dir + ",upperdir=" + layers + "/upper,workdir=" + layers + "/work"
}

// makeLayers makes the folders that a mount needs, of which none may reach the machine.
func makeLayers(target, data string) error {
	dirs := []string{target}
	for option := range strings.SplitSeq(data, ",") {
		if name, dir, _ := strings.Cut(option, "="); name == "upperdir" || name == "workdir" {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// raiseNetwork gives each node a bridge, which its pods are attached to.
func raiseNetwork() error {
	commands := []string{
		"link set lo up",
		// Whether there can be pairs of interfaces, as pods need them.
		"link add probe0 type veth peer name probe1",
		"link delete probe0",
	}
	for _, n := range nodesIn("") {
		commands = append(commands,
			"link add "+n.bridge()+" type bridge",
			"address add "+n.address()+"/24 dev "+n.bridge(),
			"link set "+n.bridge()+" up")
	}
	for _, args := range commands {
		if output, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("a node needs a network: ip %s: %w: %s", args, err, bytes.TrimSpace(output))
		}
	}
	return nil
}
