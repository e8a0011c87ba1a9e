package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	pidFile   = "operator.pid"
	stopGrace = 20 * time.Second
)

// Operator is the operator as a process on this machine. Its addresses stay the
// same when it is stopped and started again.
type Operator struct {
	lab        *Lab
	kubeconfig string
	flags      []string
	// Ingest, Metrics and health are addresses that it listens on.
	Ingest, Metrics, health string

	cmd *exec.Cmd
	// exited is closed when the process has ended, with the error ended.
	exited chan struct{}
	ended  error
}

// NewOperator prepares an operator that reaches the API server with a kubeconfig.
func (l *Lab) NewOperator(kubeconfig string, flags ...string) (*Operator, error) {
	o := &Operator{lab: l, kubeconfig: kubeconfig, flags: flags}
	for _, address := range []*string{&o.Ingest, &o.Metrics, &o.health} {
		free, err := FreeAddress()
		if err != nil {
			return nil, err
		}
		*address = free
	}
	return o, nil
}

// Log is the file that the operator writes to.
func (o *Operator) Log() string { return o.lab.File("operator.log") }

// Start starts the operator and waits until it is ready and receives.
func (o *Operator) Start(ctx context.Context) error {
	if err := o.Spawn(); err != nil {
		return err
	}
	return o.ready(ctx)
}

// Spawn starts the operator and waits for nothing.
func (o *Operator) Spawn() error {
	log, err := os.OpenFile(o.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(o.lab.File("bin/tocsin"), append([]string{
		"--data-dir=" + o.lab.File("data"), "--ingest-bind-address=" + o.Ingest,
		"--health-probe-bind-address=" + o.health, "--metrics-bind-address=" + o.Metrics,
	}, o.flags...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+o.kubeconfig, "POD_NAMESPACE=tocsin-system")
	cmd.Stdout, cmd.Stderr = log, log
	// A signal to whoever started it must not reach it before it is told to stop.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	o.cmd, o.exited = cmd, exited
	go func() {
		o.ended = cmd.Wait()
		close(exited)
	}()
	return os.WriteFile(o.lab.File(pidFile), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

// Wait returns how the process that was started last ended, once it has.
func (o *Operator) Wait() error {
	<-o.exited
	return o.ended
}

// Kill sends SIGKILL: nothing of what the process knew is written.
func (o *Operator) Kill() error { return o.cmd.Process.Kill() }

// PID of the process that was started last.
func (o *Operator) PID() int { return o.cmd.Process.Pid }

// ready waits for /readyz and for the receiving end, which opens when the sources are in force.
func (o *Operator) ready(ctx context.Context) error {
	return Eventually(ctx, time.Minute, "the operator to be ready (see "+o.Log()+")", func(ctx context.Context) (bool, string, error) {
		select {
		case <-o.exited:
			return false, fmt.Sprintf("it ended: %v", o.ended), nil
		default:
		}
		for _, url := range []string{"http://" + o.health + "/readyz", "http://" + o.Ingest + "/"} {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return false, "", err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return false, "", err
			}
			response.Body.Close()
			if response.StatusCode >= http.StatusInternalServerError {
				return false, url + ": " + response.Status, nil
			}
		}
		return true, "", nil
	})
}

// RSS is the resident memory of the process, in bytes.
func (o *Operator) RSS() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("VmRSS: not in /proc/<pid>/status")
}

// ProcessorTime is how long the operator has used a core so far.
func (o *Operator) ProcessorTime() (time.Duration, error) { return processorTime(o.cmd.Process.Pid) }

// Stop ends the operator, by force if it does not end by itself.
func (o *Operator) Stop() error {
	if o.cmd == nil {
		return nil
	}
	defer func() { o.cmd = nil }()
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-o.exited: // however it ended, it was told to
	case <-time.After(stopGrace):
		_ = o.cmd.Process.Kill()
		<-o.exited
	}
	return os.Remove(o.lab.File(pidFile))
}

// StopLeftover ends an operator of an earlier run, whose data lie beside the file
// with its process id, if the process is still that one.
func StopLeftover(path string) error {
	pid, err := readPID(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	runs := func() bool {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err == nil && strings.Contains(string(command), "--data-dir="+filepath.Dir(path))
	}
	if !runs() {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	// It writes what it knows before it ends, to a folder that may be removed next.
	for began := time.Now(); runs(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > stopGrace {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return nil
}
