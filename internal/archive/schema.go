package archive

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID is in the file's header.
const applicationID = 0x746F6331

//go:embed migrations/*.sql
var migrations embed.FS

var (
	errForeign = errors.New("it is no archive of Tocsin")
	errNewer   = errors.New("a newer version of Tocsin wrote it")
)

// migrate brings the schema up to date, one migration a transaction: whatever is
// interrupted goes on from where it was. The version is the number of migrations.
func migrate(ctx context.Context, conn *sql.Conn) error {
	files, err := fs.Glob(migrations, "migrations/*.sql") // in order of their names
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(files) {
		return fmt.Errorf("%w: it has schema %d, and this version knows up to %d", errNewer, version, len(files))
	}
	for i := version; i < len(files); i++ {
		statements, err := migrations.ReadFile(files[i])
		if err != nil {
			return err
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nCOMMIT;", statements, i+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
	}
	return check(ctx, conn)
}

// schemaVersion is 0 for a new file.
func schemaVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var id, version, tables int
	err := errors.Join(
		conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id),
		conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version),
		conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables),
	)
	switch {
	case err != nil:
		return 0, err
	case id == applicationID:
		return version, nil
	case id != 0 || version != 0 || tables != 0:
		return 0, errForeign
	}
	return 0, nil
}

// check reads all of what priors rest on. Events and evidence, which may be a GiB, are
// read when somebody asks for them.
func check(ctx context.Context, conn *sql.Conn) error {
	for _, table := range []string{"rule", "grade", "graded", "tally", "agreement"} {
		var found string
		if err := conn.QueryRowContext(ctx, "PRAGMA quick_check("+table+")").Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return damage(found)
		}
	}
	return nil
}

// damage is what a check of the file finds.
type damage string

func (d damage) Error() string { return string(d) }

// explain says what to do about an archive that cannot be used as it is.
func (a *Archive) explain(err error) error {
	var code *sqlite.Error
	var damaged damage
	what := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNewer):
		what = "run that version or a later one"
	case errors.Is(err, errForeign):
		what = "move the file away"
	case errors.As(err, &damaged), errors.As(err, &code) && broken(code.Code()):
		what = "it is damaged: restore its folder from a snapshot of the volume"
	default:
		return fmt.Errorf("archive %s: %w", a.path, err)
	}
	return fmt.Errorf("archive %s: %w; %s, or move its folder away while the operator is stopped, and a new one begins: "+
		"it is filled from the cases and alerts in the API server, and what was only here is gone", a.path, err, what)
}

func broken(code int) bool {
	const primary = 0xff
	code &= primary
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}
