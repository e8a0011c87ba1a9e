package story_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tocsin-dev/tocsin/test/env"
)

// operator is the compiled operator, which may be killed and started again on the same data.
type operator struct {
	t       *testing.T
	dir     string
	flags   []string
	ingest  string
	health  string
	process *exec.Cmd
	// exited is closed when the process has ended, with the error ended.
	exited chan struct{}
	ended  error
}

// startOperator runs the operator, as its ServiceAccount and on an empty volume,
// until the test ends.
func startOperator(t *testing.T, c *env.Cluster) *operator {
	t.Helper()
	o := &operator{t: t, dir: t.TempDir(), ingest: freeAddress(t), health: freeAddress(t)}
	writeKubeconfig(t, token(t, c, operatorNamespace, operatorAccount, nil), o.file("kubeconfig"))
	o.flags = []string{
		"--data-dir=" + o.file("data"), "--ingest-bind-address=" + o.ingest, "--health-probe-bind-address=" + o.health,
		"--metrics-bind-address=0", "--leader-elect=false",
	}
	t.Cleanup(func() {
		o.kill()
		if t.Failed() {
			o.complain()
		}
	})
	o.start()
	return o
}

func (o *operator) file(name string) string { return filepath.Join(o.dir, name) }

func (o *operator) start() {
	o.t.Helper()
	if err := o.spawn(); err != nil {
		o.t.Fatal(err)
	}
}

// spawn runs the process and does not wait for it to be ready.
func (o *operator) spawn() error {
	log, err := os.OpenFile(o.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(workDir, "tocsin"), o.flags...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+o.file("kubeconfig"), "POD_NAMESPACE="+operatorNamespace)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	o.process, o.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		o.ended = cmd.Wait()
		close(exited)
	}(o.exited)
	return nil
}

// kill is SIGKILL: nothing of what the process knew is written.
func (o *operator) kill() {
	if o.process == nil {
		return
	}
	_ = o.process.Process.Kill() // It may have ended by itself.
	<-o.exited
	o.process = nil
}

// stop is SIGTERM, as on an upgrade: the process must write what it knows and end well.
func (o *operator) stop() {
	o.t.Helper()
	if err := o.process.Process.Signal(syscall.SIGTERM); err != nil {
		o.t.Fatal(err)
	}
	<-o.exited
	if o.ended != nil {
		o.t.Errorf("the operator was told to stop and ended with %v", o.ended)
	}
	o.process = nil
}

// ready waits for /readyz.
func (o *operator) ready() {
	o.t.Helper()
	eventually(o.t, "/readyz", func(ctx context.Context) (bool, string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.health+"/readyz", nil)
		if err != nil {
			return false, err.Error()
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err.Error()
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, response.Status
	})
}

// complain shows what in the operator's log is no mere information.
func (o *operator) complain() {
	raw, err := os.ReadFile(o.file("log"))
	if err != nil {
		o.t.Log(err)
		return
	}
	lines := slices.DeleteFunc(strings.Split(string(bytes.TrimSpace(raw)), "\n"), func(line string) bool {
		return strings.Contains(line, `"level":"info"`)
	})
	o.t.Logf("the operator's log ends:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
