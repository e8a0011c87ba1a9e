//go:build unix

package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// entryAt is an entry of its own for each index, a minute apart.
func entryAt(i int) Entry {
	return Entry{
		Time: start.Add(time.Duration(i) * time.Minute), Type: TypeIntent, Namespace: "shop", Case: "shop-7f3a",
		Action: fmt.Sprintf("isolate-%d", i), Actor: "tocsin", Summary: "isolate pod shop/web-0",
		Data: map[string]any{"b": "<&>", "a": []any{"x", true}},
	}
}

func mustOpen(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := l.Close(context.Background()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// appendAll appends entries from and up to below to, several at a time so that they share writes.
func appendAll(t testing.TB, l *Log, from, to int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Go(func() {
			if _, err := l.Append(t.Context(), entryAt(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func publicKey(t testing.TB, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, publicFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

func mustVerify(t testing.TB, dir string, earlier ...[]byte) Report {
	t.Helper()
	r, err := Verify(t.Context(), dir, publicKey(t, dir), earlier...)
	if err != nil {
		t.Fatalf("verifying: %v", err)
	}
	return r
}

func entries(t testing.TB, dir string) []Entry {
	t.Helper()
	var found []Entry
	for e, err := range Entries(dir) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, e)
	}
	return found
}

func TestEntriesComeBackAsTheyWereAppended(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	var want []Entry
	for i := range 5 {
		e := entryAt(i)
		index, err := l.Append(t.Context(), e)
		if err != nil || index != int64(i) {
			t.Fatalf("entry %d got index %d, %v", i, index, err)
		}
		e.Index = index
		want = append(want, e)
	}
	mustClose(t, l)
	if diff := cmp.Diff(want, entries(t, dir)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	r := mustVerify(t, dir)
	if r.Size != 5 || r.Unsigned != 0 || !r.LastTime.Equal(want[4].Time) || len(r.Unfinished) != 0 {
		t.Errorf("report is %+v", r)
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v; want 0600", info.Mode().Perm(), err)
	}
}

func TestAnOpenedLogContinues(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		l := mustOpen(t, dir)
		index, err := l.Append(t.Context(), entryAt(i))
		if err != nil || index != int64(i) {
			t.Fatalf("after opening again: index %d, %v; want %d", index, err, i)
		}
		mustClose(t, l)
	}
	if r := mustVerify(t, dir); r.Size != 3 {
		t.Errorf("size is %d", r.Size)
	}
}

func TestRefusedEntries(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	tests := map[string]struct {
		entry Entry
		want  string
	}{
		"no time":     {Entry{Type: TypeIntent}, "time is missing"},
		"no type":     {Entry{Time: start}, `type "" is none of`},
		"own type":    {Entry{Time: start, Type: "gossip"}, `type "gossip" is none of`},
		"not JSON":    {Entry{Time: start, Type: TypeIntent, Data: map[string]any{"f": func() {}}}, "unsupported type"},
		"much larger": {Entry{Time: start, Type: TypeIntent, Summary: strings.Repeat("x", maxEntry)}, "log a digest in place of large data"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := l.Append(t.Context(), tt.entry); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
	if index, err := l.Append(t.Context(), entryAt(0)); err != nil || index != 0 {
		t.Errorf("after the refused ones: index %d, %v", index, err)
	}
}

func TestClosedAndHeld(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	waiting, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Open(waiting, dir); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "held by another") {
		t.Errorf("a second Open returned %v", err)
	}
	mustClose(t, l)
	if _, err := l.Append(t.Context(), entryAt(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close returned %v", err)
	}
	mustClose(t, l)
}

// Time until one entry is durable when nobody shares its fsyncs.
func BenchmarkAppend(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	for b.Loop() {
		if _, err := l.Append(b.Context(), entryAt(0)); err != nil {
			b.Fatal(err)
		}
	}
}

// Entries a second when many are appended at once.
func BenchmarkAppendParallel(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	b.SetParallelism(256)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(b.Context(), entryAt(0)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkVerify(b *testing.B) {
	dir, _ := grow(b, 2000)
	vkey := publicKey(b, dir)
	for b.Loop() {
		if _, err := Verify(b.Context(), dir, vkey); err != nil {
			b.Fatal(err)
		}
	}
}
