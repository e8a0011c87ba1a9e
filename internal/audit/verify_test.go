//go:build unix

package audit

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

// grow makes a closed log whose entries were written in the given steps, and
// returns its directory and the checkpoint after each step.
func grow(t testing.TB, steps ...int) (string, [][]byte) {
	t.Helper()
	dir := t.TempDir()
	var checkpoints [][]byte
	size := 0
	for _, step := range steps {
		l := mustOpen(t, dir)
		appendAll(t, l, size, size+step)
		size += step
		mustClose(t, l)
		checkpoints = append(checkpoints, mustRead(t, dir, "log/checkpoint"))
	}
	return dir, checkpoints
}

func mustRead(t testing.TB, dir, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func mustWrite(t testing.TB, dir, name string, raw []byte) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// files lists every file below a directory, sorted.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// verifyError verifies and demands a Tampered.
func verifyError(t testing.TB, dir, vkey string, earlier ...[]byte) *Tampered {
	t.Helper()
	_, err := Verify(t.Context(), dir, vkey, earlier...)
	var found *Tampered
	if !errors.As(err, &found) {
		t.Fatalf("verification returned %v, want a Tampered", err)
	}
	return found
}

// Every byte of a small log, with bundles of several entries and their tiles, and of
// a large one a spread; each changed in a way that text formats forgive most easily: one bit.
func TestAnyChangedByteIsCaught(t *testing.T) {
	tests := map[string]struct {
		steps []int
		// samples of each file of more than 512 bytes; 0 for every byte.
		samples int
	}{
		"small": {steps: []int{1, 3}},
		"large": {steps: []int{256, 3, 41}, samples: 97},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir, _ := grow(t, tc.steps...)
			vkey := publicKey(t, dir)
			changed := copyOf(t, dir)
			mustVerify(t, changed)
			for _, name := range files(t, dir) {
				raw := mustRead(t, dir, name)
				stride := 1
				if tc.samples > 0 && len(raw) > 512 {
					stride = len(raw)/tc.samples | 1
				}
				flipEach(t, changed, vkey, name, raw, stride)
				mustWrite(t, changed, name, raw)
			}
			mustVerify(t, changed)
		})
	}
}

// flipEach changes one byte after the other of a file, and demands that each is noticed.
func flipEach(t *testing.T, dir, vkey, name string, raw []byte, stride int) {
	t.Helper()
	for at := 0; at < len(raw); at += stride {
		flipped := slices.Clone(raw)
		flipped[at] ^= 1 << (at % 8)
		mustWrite(t, dir, name, flipped)
		if _, err := Verify(t.Context(), dir, vkey); !errors.As(err, new(*Tampered)) {
			t.Errorf("%s: bit %d of byte %d (%q) was changed, and verification returned %v", name, at%8, at, raw[at], err)
		}
	}
}

// The bits of the files that are text in which encodings have slack.
func TestTextFilesHaveNoSlack(t *testing.T) {
	dir, _ := grow(t, 3)
	vkey := publicKey(t, dir)
	for _, name := range []string{"audit.key", "audit.pub", "log/checkpoint", "log/.state/treeState", "log/.state/version"} {
		raw := mustRead(t, dir, name)
		for at := range raw {
			// The lowest bits are the slack of base64, 0x20 is the case of a letter.
			for _, bit := range []int{0, 1, 5} {
				flipped := slices.Clone(raw)
				flipped[at] ^= 1 << bit
				mustWrite(t, dir, name, flipped)
				if _, err := Verify(t.Context(), dir, vkey); !errors.As(err, new(*Tampered)) {
					t.Errorf("%s: bit %d of byte %d (%q) was changed, and verification returned %v", name, bit, at, raw[at], err)
				}
			}
		}
		for what, other := range map[string][]byte{"a byte more": append(slices.Clone(raw), '\n'), "a byte less": raw[:len(raw)-1], "nothing": nil} {
			mustWrite(t, dir, name, other)
			if _, err := Verify(t.Context(), dir, vkey); !errors.As(err, new(*Tampered)) {
				t.Errorf("%s with %s: verification returned %v", name, what, err)
			}
		}
		mustWrite(t, dir, name, raw)
	}
}

func TestTheFirstEntryThatDoesNotFitIsNamed(t *testing.T) {
	dir, _ := grow(t, 300)
	vkey := publicKey(t, dir)
	for _, index := range []int{0, 1, 255, 256, 299} {
		for what, change := range map[string]func([]byte) []byte{
			"content": func(e []byte) []byte { return bytes.Replace(e, []byte("isolate pod"), []byte("isolate dop"), 1) },
			"longer":  func(e []byte) []byte { return append(slices.Clone(e), ' ') },
			"empty":   func([]byte) []byte { return nil },
		} {
			t.Run(fmt.Sprint(index, " ", what), func(t *testing.T) {
				changed := copyOf(t, dir)
				name := rewrite(t, changed, index, change)
				got := verifyError(t, changed, vkey)
				if got.Index != int64(index) || got.File != name {
					t.Errorf("named is %v, want entry %d in %s", got, index, name)
				}
			})
		}
	}
}

// rewrite changes an entry in its bundle of a log of 300, and returns the bundle's name.
func rewrite(t testing.TB, dir string, index int, change func([]byte) []byte) string {
	t.Helper()
	name := "log/tile/entries/000"
	if index > 255 {
		name = "log/tile/entries/001.p/44"
	}
	b, err := split(mustRead(t, dir, name))
	if err != nil {
		t.Fatal(err)
	}
	b.entries[index%256] = change(b.entries[index%256])
	mustWrite(t, dir, name, join(b.entries))
	return name
}

func join(entries [][]byte) []byte {
	var raw []byte
	for _, e := range entries {
		raw = append(raw, byte(len(e)>>8), byte(len(e)))
		raw = append(raw, e...)
	}
	return raw
}

func TestOtherTampering(t *testing.T) {
	dir, checkpoints := grow(t, 256, 3, 41)
	const last = "log/tile/entries/001.p/44"
	swap := func(dir string) {
		b, _ := split(mustRead(t, dir, last))
		b.entries[3], b.entries[4] = b.entries[4], b.entries[3]
		mustWrite(t, dir, last, join(b.entries))
	}
	drop := func(n int) func(string) {
		return func(dir string) {
			b, _ := split(mustRead(t, dir, last))
			mustWrite(t, dir, last, join(append(b.entries[:n:n], b.entries[n+1:]...)))
		}
	}
	tests := map[string]struct {
		change func(dir string)
		index  int64
		file   string
		reason string
	}{
		"two entries swapped":      {swap, 259, last, "not the entry that was logged"},
		"an entry dropped":         {drop(5), 261, last, "not the entry that was logged"},
		"the last entry dropped":   {drop(43), 299, last, "is missing"},
		"a bundle cut off":         {func(d string) { raw := mustRead(t, d, last); mustWrite(t, d, last, raw[:len(raw)-1]) }, 299, last, "cut off"},
		"a bundle cut to its half": {func(d string) { b, _ := split(mustRead(t, d, last)); mustWrite(t, d, last, b.raw[:b.ends[9]]) }, 266, last, "is missing"},
		"an entry added": {func(d string) {
			b, _ := split(mustRead(t, d, last))
			mustWrite(t, d, last, join(append(b.entries, b.entries[0])))
		}, 300, last, "more than its 44"},
		"a tile changed": {func(d string) {
			raw := mustRead(t, d, "log/tile/0/000")
			raw[40]++
			mustWrite(t, d, "log/tile/0/000", raw)
		}, none, "log/tile/0/000", "hashes of its entries"},
		"an upper tile changed": {func(d string) {
			raw := mustRead(t, d, "log/tile/1/000.p/1")
			raw[0]++
			mustWrite(t, d, "log/tile/1/000.p/1", raw)
		}, none, "log/tile/1/000.p/1", "hashes of its entries"},
		"an upper tile longer": {func(d string) {
			raw := mustRead(t, d, "log/tile/1/000.p/1")
			mustWrite(t, d, "log/tile/1/000.p/1", append(raw, raw...))
		}, none, "log/tile/1/000.p/1", "hashes of its entries"},
		"a file added":              {func(d string) { mustWrite(t, d, "log/tile/entries/002", nil) }, none, "", ""},
		"a foreign file added":      {func(d string) { mustWrite(t, d, "log/notes.txt", nil) }, none, "log/notes.txt", "not part of the log"},
		"a file added beside":       {func(d string) { mustWrite(t, d, "audit.txt", nil) }, none, "audit.txt", "not part of the log"},
		"a lock with content":       {func(d string) { mustWrite(t, d, "log/.state/treeState.lock", []byte("x")) }, none, "log/.state/treeState.lock", "must be empty"},
		"an old partial bundle":     {func(d string) { mustWrite(t, d, "log/tile/entries/001.p/3", []byte("\x00\x01x\x00\x01y\x00\x01z")) }, none, "log/tile/entries/001.p/3", "is not how"},
		"a partial of a full tile":  {func(d string) { mustWrite(t, d, "log/tile/0/000.p/1", make([]byte, 32)) }, none, "log/tile/0/000.p/1", "is not how"},
		"a link":                    {func(d string) { relink(t, d, "log/checkpoint") }, none, "log/checkpoint", "not a regular file"},
		"truncated, with its state": {func(d string) { truncate(t, d) }, 259, "log/.state/treeState", "300 were signed"},
		"the checkpoint rolled back": {
			func(d string) { mustWrite(t, d, "log/checkpoint", checkpoints[1]) }, 259, "log/checkpoint", "the last 41 are not signed",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			changed := copyOf(t, dir)
			tt.change(changed)
			if tt.file == "" {
				if r := mustVerify(t, changed); len(r.Unfinished) != 1 {
					t.Errorf("unfinished are %v, want the file that was added", r.Unfinished)
				}
				return
			}
			got := verifyError(t, changed, publicKey(t, changed))
			if got.Index != tt.index || got.File != tt.file || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("found is %+v, want entry %d, file %s, reason %q", got, tt.index, tt.file, tt.reason)
			}
		})
	}
}

// relink replaces a file by a symbolic link to its own content.
func relink(t testing.TB, dir, name string) {
	t.Helper()
	elsewhere := t.TempDir()
	mustWrite(t, elsewhere, "content", mustRead(t, dir, name))
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "content"), file); err != nil {
		t.Fatal(err)
	}
}

// truncate takes a log of 300 back to 259, all but its signature.
func truncate(t testing.TB, dir string) {
	t.Helper()
	b, err := split(mustRead(t, dir, "log/tile/entries/001.p/44"))
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir, "log/tile/entries/001.p/3", b.raw[:b.ends[2]])
	mustWrite(t, dir, "log/tile/0/001.p/3", mustRead(t, dir, "log/tile/0/001.p/44")[:96])
	mustWrite(t, dir, "log/.state/treeState", bytes.Replace(mustRead(t, dir, "log/.state/treeState"), []byte("300"), []byte("259"), 1))
}

func TestAnyMissingFileIsCaught(t *testing.T) {
	dir, _ := grow(t, 300)
	vkey := publicKey(t, dir)
	// Without these the log is whole: keys and locks are not part of it.
	optional := []string{"audit.key", "audit.pub", "audit.lock", "log/.state/treeState.lock", "log/.state/publish.lock"}
	for _, name := range files(t, dir) {
		changed := copyOf(t, dir)
		if err := os.Remove(filepath.Join(changed, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
		_, err := Verify(t.Context(), changed, vkey)
		var found *Tampered
		switch {
		case slices.Contains(optional, name) || superseded300(name):
			if err != nil {
				t.Errorf("without %s: %v", name, err)
			}
		case !errors.As(err, &found) || found.File != name:
			t.Errorf("without %s: %v, want it named", name, err)
		}
	}
	if _, err := Verify(t.Context(), t.TempDir(), vkey); !errors.As(err, new(*Tampered)) {
		t.Errorf("without anything: %v", err)
	}
}

// superseded300 says whether a file of a log of 300 was written at a smaller size.
func superseded300(name string) bool {
	r, ok := parseResource(strings.TrimPrefix(name, "log/"))
	return ok && r.partial > 0 && r.partial != 44 && r.level == 0
}

func TestForeignKeys(t *testing.T) {
	dir, _ := grow(t, 3)
	other, _ := grow(t, 3)
	if got := verifyError(t, dir, publicKey(t, other)); got.File != "log/checkpoint" {
		t.Errorf("with another log's key: %v", got)
	}
	// Somebody else's key under the name of this log.
	name, _, _ := strings.Cut(publicKey(t, dir), "+")
	_, forged, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	if got := verifyError(t, dir, forged); got.File != "log/checkpoint" {
		t.Errorf("with a key of the same name: %v", got)
	}
	mustWrite(t, dir, "audit.pub", mustRead(t, other, "audit.pub"))
	_, vkey, err := loadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := verifyError(t, dir, vkey); got.File != "audit.pub" {
		t.Errorf("with a foreign audit.pub: %v", got)
	}
	if _, err := Verify(t.Context(), dir, "nonsense"); err == nil || errors.As(err, new(*Tampered)) {
		t.Errorf("with no key: %v, want an error that blames the key", err)
	}
}

func TestEarlierCheckpoints(t *testing.T) {
	dir, checkpoints := grow(t, 3, 260, 1)
	if r := mustVerify(t, dir, checkpoints...); !bytes.Equal(r.Checkpoint, checkpoints[2]) {
		t.Errorf("the checkpoint is %q", r.Checkpoint)
	}
	older := copyOf(t, dir)
	rollBack(t, older, dir)
	if got := verifyError(t, older, publicKey(t, older), checkpoints[2]); got.Index != 1 || !strings.Contains(got.Reason, "rolled back") {
		t.Errorf("a log rolled back to an earlier one: %v", got)
	}
	if _, err := Verify(t.Context(), dir, publicKey(t, dir), []byte("x")); err == nil || !strings.Contains(err.Error(), "earlier checkpoint 1") {
		t.Errorf("with nonsense for an earlier checkpoint: %v", err)
	}
}

// rollBack replaces a log by one of the same key with one entry of its own.
func rollBack(t testing.TB, dir, original string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, logDir)); err != nil {
		t.Fatal(err)
	}
	l := mustOpenWithKey(t, dir, mustRead(t, original, keyFile))
	appendAll(t, l, 7, 8)
	mustClose(t, l)
}

func mustOpenWithKey(t testing.TB, dir string, key []byte) *Log {
	t.Helper()
	mustWrite(t, dir, keyFile, key)
	if err := os.Mkdir(filepath.Join(dir, logDir), 0o755); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, dir)
}

// A history of the same length that was signed with the real key is told by an earlier checkpoint.
func TestAnotherHistory(t *testing.T) {
	dir, checkpoints := grow(t, 1, 1)
	other := t.TempDir()
	l := mustOpenWithKey(t, other, mustRead(t, dir, keyFile))
	appendAll(t, l, 5, 8)
	mustClose(t, l)
	mustVerify(t, other)
	if got := verifyError(t, other, publicKey(t, other), checkpoints...); !strings.Contains(got.Reason, "another history") {
		t.Errorf("found is %v", got)
	}
}

// All that binds an entry is rewritten, only the signature cannot be.
func TestAllHashesRewritten(t *testing.T) {
	dir, _ := grow(t, 3)
	vkey := publicKey(t, dir)
	forged, _ := grow(t, 3)
	l, err := Open(t.Context(), forged)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	checkpoint := mustRead(t, dir, "log/checkpoint")
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	l = mustOpen(t, other)
	appendAll(t, l, 10, 13)
	mustClose(t, l)
	if err := os.CopyFS(filepath.Join(dir, "log"), os.DirFS(filepath.Join(other, "log"))); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir, "log/checkpoint", checkpoint)
	if got := verifyError(t, dir, vkey); got.File != "log/checkpoint" || !strings.Contains(got.Reason, "rewritten") {
		t.Errorf("found is %v", got)
	}
}

func TestReportOfAnEmptyLog(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir))
	r := mustVerify(t, dir)
	want := Report{
		Origin: r.Origin, Checkpoint: r.Checkpoint,
		RootHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// A copy taken just before the operator signed is whole; one taken long after is not.
func TestUnsignedEntries(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	add := func(at time.Duration) {
		t.Helper()
		e := entryAt(0)
		e.Time = start.Add(at)
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	add(0)
	mustClose(t, l)
	signed := mustRead(t, dir, "log/checkpoint")
	l = mustOpen(t, dir)
	add(time.Second)
	add(2 * time.Second)
	mustClose(t, l)
	mustWrite(t, dir, "log/checkpoint", signed)
	if r := mustVerify(t, dir); r.Size != 1 || r.Unsigned != 2 {
		t.Errorf("report is %+v, want 1 signed and 2 not", r)
	}
	l = mustOpen(t, dir)
	add(time.Hour)
	mustClose(t, l)
	mustWrite(t, dir, "log/checkpoint", signed)
	if got := verifyError(t, dir, publicKey(t, dir)); got.Index != 1 || !strings.Contains(got.Reason, "not signed") {
		t.Errorf("found is %v", got)
	}
}

func TestACopyOfTheLogAlone(t *testing.T) {
	dir, _ := grow(t, 300)
	vkey := strings.TrimSpace(string(mustRead(t, dir, publicFile)))
	alone := filepath.Join(dir, logDir)
	report, err := Verify(t.Context(), alone, vkey)
	if err != nil || report.Size != 300 {
		t.Fatalf("got %d entries and %v, want 300 and no error", report.Size, err)
	}
	mustWrite(t, alone, "notes.txt", []byte("x"))
	var tampered *Tampered
	if _, err := Verify(t.Context(), alone, vkey); !errors.As(err, &tampered) || tampered.File != "log/notes.txt" {
		t.Errorf("a file that is no part of the log: got %v", err)
	}
}
