package archive

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// childDir names the archive to a copy of this test that is to be killed.
const childDir = "TOCSIN_TEST_ARCHIVE"

// Whatever was acknowledged is there after a SIGKILL, whole, and putting it again changes nothing.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		writeForEver(t, dir)
	}
	dir := t.TempDir()
	acknowledged := 0
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		lines := bufio.NewScanner(out)
		for range 50 {
			if !lines.Scan() {
				t.Fatal("the writer ended by itself")
			}
			var n int
			if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
				t.Fatalf("the writer says %q", lines.Text())
			}
			acknowledged = max(acknowledged, n)
		}
		must(t, child.Process.Kill())
		_ = child.Wait() // killed
	}
	a := open(t, dir, &calendar{noon})
	for n := 1; n <= acknowledged; n++ {
		if _, err := a.Blob(t.Context(), sha(fmt.Sprint("raw ", n))); err != nil {
			t.Errorf("event %d of %d that were acknowledged: %v", n, acknowledged, err)
		}
	}
	before := history(t, a, "soc", "shell", "")
	if before.Fired < int64(acknowledged) || before.Grades[0].Cases < int64(acknowledged) {
		t.Errorf("%d were acknowledged, the history is %+v", acknowledged, before)
	}
	for n := 1; n <= acknowledged; n++ {
		writeOne(t, a, n)
	}
	if after := history(t, a, "soc", "shell", ""); after.Fired != before.Fired || after.Grades[0] != before.Grades[0] {
		t.Errorf("put again, %+v became %+v", before, after)
	}
}

func writeForEver(t *testing.T, dir string) {
	a, err := Open(t.Context(), dir, (&calendar{noon}).now)
	must(t, err)
	first := int(history(t, a, "soc", "shell", "").Fired)
	for n := max(first, 1); ; n++ {
		writeOne(t, a, n)
		fmt.Println(n)
	}
}

func writeOne(t *testing.T, a *Archive, n int) {
	t.Helper()
	one := alert(fmt.Sprint("alert ", n), "shell", noon)
	one.Raw = fmt.Append(nil, "raw ", n)
	must(t, a.PutAlerts(t.Context(), one))
	put(t, a, graded(fmt.Sprint("case ", n), noon, v1alpha1.BenignPositive, "alice"), "shell")
}
