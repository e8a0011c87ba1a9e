//go:build unix

package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
)

const crashDir = "AUDIT_TEST_CRASH_DIR"

// TestMain also is the process that TestKilled kills: it appends until then, from
// several goroutines, and prints the index of every entry that is durable.
func TestMain(m *testing.M) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := appendForever(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func appendForever(dir string) error {
	ctx := context.Background()
	l, err := Open(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Println("open")
	var wg sync.WaitGroup
	for range 7 {
		wg.Go(func() {
			for i := 0; ; i++ {
				index, err := l.Append(ctx, entryAt(i))
				if err != nil {
					return
				}
				fmt.Println(index)
			}
		})
	}
	wg.Wait()
	return errors.New("appending ended by itself")
}

// A killed process loses nothing that it was told is durable, and leaves nothing
// behind that Verify or the next process stumbles over.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	last := int64(-1)
	for round := range 6 {
		last = max(last, killAfter(t, dir, 20+17*round))
		vkey := publicKey(t, dir)
		if _, err := Verify(t.Context(), copyOf(t, dir), vkey); err != nil {
			var found *Tampered
			// The entries of this test are minutes apart, so a lost signature shows.
			if !errors.As(err, &found) || !strings.Contains(found.Reason, "are not signed") {
				t.Fatalf("round %d, as the killed process left it: %v", round, err)
			}
		}
		l := mustOpen(t, dir)
		index, err := l.Append(t.Context(), entryAt(0))
		if err != nil || index <= last {
			t.Fatalf("round %d: index %d, %v, after %d was durable", round, index, err, last)
		}
		last = index
		mustClose(t, l)
		if r := mustVerify(t, dir); r.Size != index+1 || r.Unsigned != 0 || len(r.Unfinished) != 0 {
			t.Fatalf("round %d: report is %+v after entry %d", round, r, index)
		}
	}
	if got := len(entries(t, dir)); int64(got) != last+1 {
		t.Errorf("%d entries, want %d", got, last+1)
	}
}

// killAfter runs a process that appends, kills it after some entries, and
// returns the highest index that it was told is durable.
func killAfter(t *testing.T, dir string, entries int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	highest, seen := int64(-1), 0
	for lines := bufio.NewScanner(out); lines.Scan(); seen++ {
		if index, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
			highest = max(highest, index)
		}
		if seen == entries {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || seen < entries {
		t.Fatalf("the process ended after %d entries: %s", seen, complaints.String())
	}
	return highest
}

func TestOpenTidiesAfterAnInterruptedWrite(t *testing.T) {
	dir, _ := grow(t, 256, 3)
	left := []string{
		"log/tile/entries/001.p/9", "log/tile/0/001.p/9", "log/tile/entries/002", "log/tile/1/000.p/2",
		"log/tile/entries/001.p/31234567890", "log/tile/0/0011234567", "log/checkpoint12345", "log/.state/treeState99",
		"log/tile/entries/000.p/7", "log/tile/0/000.p/7",
	}
	for _, name := range left {
		mustWrite(t, dir, name, []byte("left"))
	}
	mustWrite(t, dir, "log/evidence.txt", []byte("not ours to remove"))
	mustClose(t, mustOpen(t, dir))
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if got := verifyError(t, dir, publicKey(t, dir)); got.File != "log/evidence.txt" {
		t.Errorf("found is %v", got)
	}
}

func TestUnfinishedWritesAreReported(t *testing.T) {
	dir, _ := grow(t, 3)
	want := []string{"log/checkpoint12345", "log/tile/0/000.p/9", "log/tile/entries/000.p/9"}
	for _, name := range want {
		mustWrite(t, dir, name, []byte("left"))
	}
	r := mustVerify(t, dir)
	slices.Sort(r.Unfinished)
	if !slices.Equal(r.Unfinished, want) {
		t.Errorf("unfinished are %v, want %v", r.Unfinished, want)
	}
}

// A directory where a file must go stands for a disk that takes no more.
func TestAppendFailsWhereNothingCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	appendAll(t, l, 0, 2)
	blocker := filepath.Join(dir, "log/tile/0/000.p/3")
	if err := os.Mkdir(blocker, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if index, err := l.Append(t.Context(), entryAt(2)); err == nil {
			t.Fatalf("an entry that cannot be written got index %d", index)
		}
	}
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	index, err := l.Append(t.Context(), entryAt(2))
	if err != nil || index != 2 {
		t.Fatalf("when there is room again: index %d, %v", index, err)
	}
	mustClose(t, l)
	mustVerify(t, dir)
}

func TestAppendFailsWhereTheLogIsGone(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "log/.state")); err != nil {
		t.Fatal(err)
	}
	if index, err := l.Append(t.Context(), entryAt(0)); err == nil {
		t.Errorf("an entry of a log that is gone got index %d", index)
	}
}

func TestOpenRefusesATamperedLog(t *testing.T) {
	dir, checkpoints := grow(t, 2, 3)
	other := t.TempDir()
	foreign := mustOpen(t, other)
	for i := range 5 {
		if _, err := foreign.Append(t.Context(), entryAt(100+i)); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, foreign)
	stateOf := func(d string) []byte { return mustRead(t, d, "log/.state/treeState") }
	tests := map[string]struct {
		change func(d string)
		want   string
	}{
		"another root": {func(d string) { mustWrite(t, d, "log/.state/treeState", stateOf(other)) }, "does not continue"},
		"other hashes and no new entry": {func(d string) {
			mustWrite(t, d, "log/checkpoint", checkpoints[0])
			mustWrite(t, d, "log/tile/0/000.p/5", bytes.Repeat(rfc6962.DefaultHasher.EmptyRoot(), 5))
		}, "does not continue"},
		"fewer entries": {func(d string) {
			mustWrite(t, d, "log/.state/treeState", bytes.Replace(stateOf(d), []byte("5"), []byte("4"), 1))
		}, "entries are missing"},
		"no state":         {func(d string) { mustRemove(t, d, "log/.state/treeState") }, "treeState is missing"},
		"no checkpoint":    {func(d string) { mustRemove(t, d, "log/checkpoint") }, "checkpoint"},
		"no key":           {func(d string) { mustRemove(t, d, "audit.key") }, "put the key back"},
		"a foreign key":    {func(d string) { mustWrite(t, d, "audit.key", mustRead(t, other, "audit.key")) }, "is not signed by"},
		"a broken key":     {func(d string) { mustWrite(t, d, "audit.key", []byte("key\n")) }, "audit.key"},
		"a foreign signer": {func(d string) { mustWrite(t, d, "log/checkpoint", mustRead(t, other, "log/checkpoint")) }, "is not signed by"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			changed := copyOf(t, dir)
			tt.change(changed)
			l, err := Open(t.Context(), changed)
			if err == nil {
				mustClose(t, l)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open returned %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func mustRemove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

// The log is changed, all hashes with it, while the operator runs: the next entry must not have it signed.
func TestTamperingIsNotSigned(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, 0, 3)
	if err := l.sealer.await(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	name := "log/tile/0/000.p/3"
	forged := mustRead(t, dir, name)
	copy(forged, rfc6962.DefaultHasher.HashLeaf([]byte("forged")))
	mustWrite(t, dir, name, forged)
	if _, err := l.Append(t.Context(), entryAt(3)); err != nil {
		t.Fatal(err)
	}
	if err := l.sealer.await(t.Context(), 4); err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Fatalf("signing returned %v", err)
	}
	if _, err := l.Append(t.Context(), entryAt(4)); err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Errorf("Append after that returned %v", err)
	}
	if err := l.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Errorf("Close returned %v", err)
	}
}

// forge has a log with the same beginning hold one more entry, without having it signed.
func forge(t *testing.T, dir string) {
	t.Helper()
	forged := copyOf(t, dir)
	l := mustOpen(t, forged)
	appendAll(t, l, 100, 101)
	mustClose(t, l)
	err := os.CopyFS(filepath.Join(dir, "added"), os.DirFS(filepath.Join(forged, "log")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tile", ".state/treeState"} {
		if err := os.RemoveAll(filepath.Join(dir, "log", name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "added", name), filepath.Join(dir, "log", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "added")); err != nil {
		t.Fatal(err)
	}
}

// Whoever can write the files, but has no key, adds an entry that fits.
func TestAddedEntriesAreNotSignedUnnoticed(t *testing.T) {
	for name, failed := range map[string]bool{"while it is open": false, "while it is open, and then a write fails": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, dir)
			appendAll(t, l, 0, 3)
			// The file follows the signature.
			for !bytes.Contains(mustRead(t, dir, "log/checkpoint"), []byte("\n3\n")) {
				runtime.Gosched()
			}
			forge(t, dir)
			l.failed.Store(failed)
			_, err := l.Append(t.Context(), entryAt(3))
			if err == nil {
				err = l.sealer.await(t.Context(), 5)
			}
			if err == nil || !strings.Contains(err.Error(), "entries that this process did not write") {
				t.Errorf("appending and signing returned %v", err)
			}
			if err := l.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "tampered") {
				t.Errorf("Close returned %v", err)
			}
		})
	}
	t.Run("while it is closed", func(t *testing.T) {
		dir := t.TempDir()
		l := mustOpen(t, dir)
		appendAll(t, l, 0, 3)
		mustClose(t, l)
		forge(t, dir)
		mustClose(t, mustOpen(t, dir))
		mustVerify(t, dir)
		all := entries(t, dir)
		last := all[len(all)-1]
		if len(all) != 5 || last.Type != TypeRecovery || !strings.HasPrefix(last.Summary, "entries 3 to 3 were not signed") {
			t.Errorf("%d entries, the last is %+v", len(all), last)
		}
	})
}
