package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// calendar is a clock that stands still until it is set.
type calendar struct{ at time.Time }

func (c *calendar) now() time.Time { return c.at }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, clock *calendar) *Archive {
	t.Helper()
	a, err := Open(t.Context(), dir, clock.now)
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	return a
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func fresh(t testing.TB) *Archive { return open(t, t.TempDir(), &calendar{noon}) }

// Many write and read at a time; one that fails fails alone.
func TestConcurrentUse(t *testing.T) {
	a := fresh(t)
	wrong := errors.New("wrong")
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for n := range 50 {
				name := fmt.Sprintf("%d-%d", worker, n)
				if err := a.PutAlerts(t.Context(), alert(name, "shell", noon)); err != nil {
					t.Error(err)
				}
				if _, err := a.PutCase(t.Context(), graded(name, noon, v1alpha1.BenignPositive, "alice"), []string{"shell"}); err != nil {
					t.Error(err)
				}
				err := a.write(t.Context(), func(tx *transaction) error {
					if _, err := tx.rule("soc", "half-done"); err != nil {
						return err
					}
					return wrong
				})
				if !errors.Is(err, wrong) {
					t.Errorf("a write that fails: %v", err)
				}
				if _, err := a.RuleHistory(t.Context(), "soc", "shell", name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	want := RuleHistory{Fired: 400, LastFired: noon, Grades: []Grades{grades(noon, v1alpha1.BenignPositive, 400)}}
	if diff := cmp.Diff(want, history(t, a, "soc", "shell", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var rules int
	must(t, a.reading.QueryRow("SELECT count(*) FROM rule").Scan(&rules))
	if rules != 1 {
		t.Errorf("%d rules: what failed left something behind", rules)
	}
}

func TestClosed(t *testing.T) {
	a, err := Open(t.Context(), t.TempDir(), (&calendar{noon}).now)
	must(t, err)
	must(t, a.Close())
	if err := a.PutAlerts(t.Context(), alert("a", "shell", noon)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

func TestGivenUp(t *testing.T) {
	a := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.PutBlobs(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A lost folder is a new archive.
func TestNewFolder(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "with space & 100%", "archive"), &calendar{noon})
	must(t, a.PutAlerts(t.Context(), alert("a", "shell", noon)))
}
