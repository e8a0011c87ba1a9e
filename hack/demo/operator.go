package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// operator keeps one operator process running: when it is killed, by the demo or
// by whoever wants to see what happens, it is started again.
type operator struct {
	stage    *stage
	ingest   string   // address
	health   string   // address
	tlsFlags []string // empty for plain HTTP

	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool
	deaths  int
	exited  chan struct{}
}

func (o *operator) start(ctx context.Context) error {
	if err := o.spawn(); err != nil {
		return err
	}
	return o.ready(ctx)
}

// ready waits for /readyz.
func (o *operator) ready(ctx context.Context) error {
	return lab.Eventually(ctx, time.Minute, "the operator to be ready (see "+o.stage.file("operator.log")+")", func(ctx context.Context) (bool, string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.health+"/readyz", nil)
		if err != nil {
			return false, "", err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, "", err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, response.Status, nil
	})
}

func (o *operator) spawn() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return nil
	}
	log, err := os.OpenFile(o.stage.file("operator.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(o.stage.root, "bin", "tocsin"), append([]string{
		"--data-dir=" + o.stage.file("data"), "--ingest-bind-address=" + o.ingest,
		"--health-probe-bind-address=" + o.health, "--metrics-bind-address=0", "--leader-elect=false",
	}, o.tlsFlags...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+o.stage.kubeconfig("operator"), "POD_NAMESPACE=tocsin-system")
	cmd.Stdout, cmd.Stderr = log, log
	// With KEEP=1 it outlives the demo.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	o.cmd, o.exited = cmd, make(chan struct{})
	go o.restart(cmd, o.exited)
	return os.WriteFile(o.stage.file("operator.pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

func (o *operator) restart(cmd *exec.Cmd, exited chan struct{}) {
	err := cmd.Wait()
	close(exited)
	o.mu.Lock()
	stopped := o.stopped
	if !stopped {
		o.deaths++
	}
	o.mu.Unlock()
	if stopped {
		return
	}
	o.stage.say("the operator died (%v); it is started again", err)
	if err := o.spawn(); err != nil {
		o.stage.say("the operator could not be started again: %v", err)
	}
}

// kill sends SIGKILL n times, at random moments.
func (o *operator) kill(ctx context.Context, n int) {
	for range n {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(1000+rand.IntN(4000)) * time.Millisecond):
		}
		o.mu.Lock()
		if !o.stopped {
			_ = o.cmd.Process.Kill()
		}
		o.mu.Unlock()
	}
}

func (o *operator) stop() error {
	o.mu.Lock()
	o.stopped = true
	cmd, exited := o.cmd, o.exited
	o.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-exited:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-exited
	}
	return os.Remove(o.stage.file("operator.pid"))
}
