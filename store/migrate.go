package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS //nolint:gochecknoglobals // files of the program

// applicationID marks the file as a facegate store ("fgdb").
const applicationID = 0x66676462

// userVersionAt is where a database file keeps PRAGMA user_version (sqlite.org/fileformat).
const userVersionAt = 60

// migrations are the embedded migrations; number n brings the schema from n-1 to n.
func migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is embedded by this file
	}
	return sub
}

// steps are the migrations in order. Their names must count up from 0001.
func steps(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	all := make([]string, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(name, "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 || len(number) != 4 {
			return nil, fmt.Errorf("migration %s: want number %04d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		all[i] = string(text)
	}
	return all, nil
}

// migrate brings the schema to the last of files, one transaction a step. Before the first
// step of an existing store it keeps a copy beside it. Another process may do the same at
// the same time; each step is done once.
func (db *DB) migrate(ctx context.Context, files fs.FS) error {
	all, err := steps(files)
	if err != nil {
		return err
	}
	have, err := version(ctx, db.writer)
	if err != nil {
		return err
	}
	if have > len(all) {
		var oldest int // schema that the database can be worked on with
		err := db.writer.QueryRowContext(ctx, "SELECT value FROM counter WHERE name = 'readable from'").Scan(&oldest)
		if err == nil && oldest <= len(all) {
			db.log.WarnContext(ctx, "a later release has added to the database; what it added is not used", "schema", have, "known", len(all))
			return nil
		}
		return &Error{
			CodeNewer, "install that release again, or restore a backup made before it",
			fmt.Errorf("the schema is version %d and this release knows %d: a later release wrote it", have, len(all)),
		}
	}
	if have == len(all) {
		return nil
	}
	if have > 0 {
		if err := db.snapshot(ctx, have); err != nil {
			return fmt.Errorf("copy before migration: %w", err)
		}
	}
	for n := have; n < len(all); n++ {
		if err := db.step(ctx, n, all[n]); err != nil {
			return fmt.Errorf("migrate to version %d: %w", n+1, err)
		}
	}
	return nil
}

// step brings the schema from version n to n+1, unless another process has.
func (db *DB) step(ctx context.Context, n int, text string) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing; before one the error at hand counts
	now, err := version(ctx, tx)
	if err != nil || now > n {
		return err
	}
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	set := fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", n+1, applicationID)
	if _, err := tx.ExecContext(ctx, set); err != nil {
		return err
	}
	return tx.Commit()
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version is the schema's version. The database of another program is refused.
func version(ctx context.Context, q queryer) (v int, err error) {
	var app, tables int
	if err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return 0, err
	}
	if err := q.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	if app != applicationID && (v != 0 || tables != 0) {
		return 0, &Error{CodeForeign, "choose another [store] path", errors.New("the file is the database of another program")}
	}
	return v, nil
}

// snapshots are the copies that migrations of the store at path have left.
func snapshots(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".before-"); ok && rest != "" {
			found = append(found, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return found, nil
}

// snapshot copies the store at schema version v to "<path>.before-<v+1>".
func (db *DB) snapshot(ctx context.Context, v int) error {
	dir, err := os.MkdirTemp(filepath.Dir(db.path), ".snapshot-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // an empty folder left behind harms nothing
	temp := filepath.Join(dir, "copy")
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // VACUUM INTO accepts an empty file
	if err != nil {
		return err
	}
	defer f.Close() // synced below
	if _, err := db.writer.ExecContext(ctx, "VACUUM INTO ?", temp); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	var header [4]byte
	if _, err := f.ReadAt(header[:], userVersionAt); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(header[:]) != uint32(v) {
		return nil // another process was faster, and has kept its copy
	}
	final := fmt.Sprintf("%s.before-%d", db.path, v+1)
	if err := os.Rename(temp, final); err != nil {
		return err
	}
	return syncDir(final)
}
