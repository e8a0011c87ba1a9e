package lab_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

func TestStopLeftover(t *testing.T) {
	for name, c := range map[string]struct {
		dataBeside bool
		wantEnded  bool
	}{
		"the operator of an earlier run":             {dataBeside: true, wantEnded: true},
		"a process that has taken its id since then": {},
	} {
		t.Run(name, func(t *testing.T) {
			dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
			if c.dataBeside {
				data = filepath.Join(dir, "data")
			}
			cmd := exec.Command("sh", "-c", "read line", "operator", "--data-dir="+data)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				_ = cmd.Wait()
				close(ended)
			}()
			pidFile := filepath.Join(dir, "operator.pid")
			if err := os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := lab.StopLeftover(pidFile); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
				if !c.wantEnded {
					t.Error("a process that is not the operator was ended")
				}
			case <-time.After(time.Second):
				if c.wantEnded {
					t.Error("still runs")
				}
			}
			stdin.Close()
			<-ended
		})
	}
	if err := lab.StopLeftover(filepath.Join(t.TempDir(), "operator.pid")); err != nil {
		t.Errorf("without a file: %v", err)
	}
}
