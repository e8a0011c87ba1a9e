package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be read is refused, and the refusal says what to do.
func TestOpenRefuses(t *testing.T) {
	sql := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			a, err := Open(t.Context(), filepath.Dir(file), (&calendar{noon}).now)
			must(t, err)
			must(t, a.write(t.Context(), func(tx *transaction) error {
				_, err := tx.w.conn.ExecContext(t.Context(), statement)
				return err
			}))
			must(t, a.Close())
		}
	}
	tests := map[string]struct {
		prepare func(*testing.T, string)
		want    []string
	}{
		"a newer schema":  {sql("PRAGMA user_version = 99"), []string{"a newer version of Tocsin wrote it: it has schema 99", "run that version or a later one"}},
		"another program": {sql("PRAGMA application_id = 7"), []string{"it is no archive of Tocsin", "move the file away"}},
		"nobody's tables": {sql("PRAGMA application_id = 0"), []string{"it is no archive of Tocsin"}},
		"what is no database": {func(t *testing.T, file string) {
			must(t, os.WriteFile(file, []byte(strings.Repeat("no database ", 999)), 0o600))
		}, []string{"it is damaged", "restore its folder from a snapshot"}},
		"a damaged page":        {damaged, []string{"it is damaged", "move its folder away while the operator is stopped"}},
		"a folder in its place": {func(t *testing.T, file string) { must(t, os.Mkdir(file, 0o700)) }, []string{"unable to open database file"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, fileName)
			tt.prepare(t, file)
			a, err := Open(t.Context(), dir, (&calendar{noon}).now)
			if err == nil {
				must(t, a.Close())
				t.Fatal("it was opened")
			}
			for _, want := range append(tt.want, file) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

// damaged overwrites the middle of an archive with many rules.
func damaged(t *testing.T, file string) {
	a, err := Open(t.Context(), filepath.Dir(file), (&calendar{noon}).now)
	must(t, err)
	for n := range 2000 {
		must(t, a.PutAlerts(t.Context(), alert(fmt.Sprint(n), fmt.Sprintf("rule %d", n), noon)))
	}
	must(t, a.Close())
	raw, err := os.ReadFile(file)
	must(t, err)
	for i := len(raw) / 4; i < len(raw)/2; i++ {
		raw[i] = 0xa5
	}
	must(t, os.WriteFile(file, raw, 0o600))
}
