package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/store/seal"
)

// withNext is this release's migrations and one more.
func withNext(t *testing.T, text string) fstest.MapFS {
	t.Helper()
	names, err := fs.Glob(migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, name := range names {
		b, err := fs.ReadFile(migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	files[fmt.Sprintf("%04d_next.sql", known(t)+1)] = &fstest.MapFile{Data: []byte(text)}
	return files
}

// known is this release's schema version.
func known(t *testing.T) int {
	t.Helper()
	all, err := steps(migrations())
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func schemaVersion(t *testing.T, db *DB) int {
	t.Helper()
	v, err := version(t.Context(), db.writer)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	addPerson(t, db, "p1")
	if names, err := snapshots(db.path); err != nil || len(names) != 0 {
		t.Errorf("a new store has copies: %v, %v", names, err)
	}
	next := withNext(t, "CREATE TABLE extra (a INTEGER) STRICT; INSERT INTO extra VALUES (1); UPDATE counter SET value = 99 WHERE name = 'readable from'")
	if err := db.migrate(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if v := schemaVersion(t, db); v != known(t)+1 {
		t.Errorf("version %d, want %d", v, known(t)+1)
	}
	if err := db.migrate(t.Context(), next); err != nil {
		t.Errorf("a second time: %v", err)
	}
	names, err := snapshots(db.path)
	if err != nil || len(names) != 1 || !strings.HasSuffix(names[0], fmt.Sprint(".before-", known(t)+1)) {
		t.Fatalf("copies: %v, %v", names, err)
	}
	info, err := os.Stat(names[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy's mode is %v, %v", info.Mode(), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	// This release does not know that version, and says what to do.
	_, err = Open(t.Context(), options(dir))
	if CodeOf(err) != CodeNewer || !strings.Contains(err.Error(), "later release") {
		t.Errorf("newer version: %v", err)
	}
	// The copy is a whole store of this release's version.
	for _, suffix := range []string{"", "-head"} {
		if err := os.Rename(options(dir).Path+suffix, filepath.Join(dir, "away"+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(names[0], options(dir).Path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "away-head"), options(dir).Path+"-head"); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	if p, err := db.Person(t.Context(), "p1"); err != nil || p.Name != "Name of p1" {
		t.Errorf("person in the copy: %+v, %v", p, err)
	}
	if _, err := db.VerifyEvents(t.Context()); err != nil {
		t.Errorf("chain in the copy: %v", err)
	}
}

// A store as the first release left it.
func version1(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	o := options(dir)
	must(t, os.WriteFile(o.KeyFile, []byte(strings.Repeat("07", seal.KeySize)+"\n"), 0o600))
	anchor, err := os.ReadFile("testdata/version-1.head")
	must(t, err)
	must(t, os.WriteFile(o.Path+"-head", anchor, 0o600))
	dump, err := os.ReadFile("testdata/version-1.sql")
	must(t, err)
	db, err := sql.Open("sqlite3", "file:"+o.Path)
	must(t, err)
	run(t, db, string(dump))
	must(t, db.Close())
	must(t, os.Chmod(o.Path, 0o600))
	return dir
}

func TestMigrateFromVersion1(t *testing.T) {
	db := open(t, version1(t))
	if v := schemaVersion(t, db); v != known(t) {
		t.Errorf("version %d, want %d", v, known(t))
	}
	ada, err := db.Person(t.Context(), "p1")
	want := access.Person{
		ID: "p1", Name: "Ada Unterwegs", Groups: []string{"lab"}, ValidFrom: noon, ValidUntil: noon.AddDate(1, 0, 0), Blocked: true,
		BlockReason: "badge lost", Revision: 1, Created: noon, Changed: noon,
	}
	if diff := cmp.Diff(want, ada); diff != "" || err != nil {
		t.Errorf("person: %v (-want +got)\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"p1 [0.5 -0.25 1e-20]", "p2 [3 4]", "p2 [5 6]"}, templates(t, db, "m1")); diff != "" {
		t.Errorf("templates (-want +got)\n%s", diff)
	}
	if v, err := db.VerifyEvents(t.Context()); err != nil || v.Events != 11 {
		t.Errorf("chain: %+v, %v", v, err)
	}
	if journal, seq, err := db.DoorCursor(t.Context()); journal != "j1" || seq != 7 || err != nil {
		t.Errorf("door cursor: %s %d, %v", journal, seq, err)
	}
	// Who was seen is taken from the trail, so that no template is taken for forgotten.
	for id, want := range map[string]time.Time{"p1": noon.AddDate(0, 2, 0), "p2": noon.AddDate(0, 2, 0), "p3": {}} {
		if got := lastSeen(t, db, id); !got.Equal(want) {
			t.Errorf("%s was last seen %v, want %v", id, got, want)
		}
	}
	update(t, db, func(tx *Tx) error { _, err := tx.SetPolicy("x"); return err })
}

// An event that does not even parse keeps nobody from migrating: verifying is what names it.
func TestMigrateWithADamagedEvent(t *testing.T) {
	dir := version1(t)
	meddle(t, dir, func(raw *sql.DB) {
		run(t, raw, "UPDATE event SET body = 'granted' WHERE seq = 7", `UPDATE event SET body = replace(body, '2026-05', 'never') WHERE seq = 8`)
	})
	db := open(t, dir)
	if got := lastSeen(t, db, "p2"); !got.Equal(noon.AddDate(0, 1, 1)) {
		t.Errorf("last seen %v", got)
	}
	_, err := db.VerifyEvents(t.Context())
	if broken, ok := errors.AsType[*ChainError](err); !ok || broken.Seq != 7 {
		t.Errorf("verify: %v", err)
	}
}

// A release goes on working on what a later one has added to, unless that one says it must not.
func TestGoingBackToARelease(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	addPerson(t, db, "p1")
	must(t, db.migrate(t.Context(), withNext(t, "CREATE TABLE extra (a INTEGER) STRICT")))
	must(t, db.Close())
	db = open(t, dir)
	addPerson(t, db, "p2")
	if v := schemaVersion(t, db); v != known(t)+1 {
		t.Errorf("version %d, want it left at %d", v, known(t)+1)
	}

	// What the release of version 1 writes fits this schema.
	first, err := fs.ReadFile(migrations(), "0001_start.sql")
	must(t, err)
	must(t, db.migrate(t.Context(), fstest.MapFS{"0001_start.sql": &fstest.MapFile{Data: first}}))
	tx, err := db.writer.BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback() //nolint:errcheck // nothing of it is to stay
	for _, s := range []string{
		`INSERT INTO record (kind, id, owner, person, face, created, expires, sealed) VALUES ('a', '1', '', 'old', 0, 1, 0, x'00')`,
		`INSERT INTO person VALUES ('old', 90, x'00') ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, sealed = excluded.sealed`,
		`INSERT INTO template (id, person, rev, model, sealed, quality, source, created) VALUES ('t1', 'old', 91, 'm1', x'00', 0.5, 'camera', 1)`,
		`INSERT INTO event VALUES ((SELECT max(seq) + 1 FROM event), '{}', x'00', x'00', x'00')`,
		`INSERT INTO outbox VALUES ((SELECT max(seq) FROM event))`,
		`INSERT OR REPLACE INTO chain VALUES (1, 1, x'00', x'00')`,
		`INSERT INTO counter VALUES ('door j1', 1)`,
		`INSERT INTO secret VALUES ('x', x'00')`,
		`DELETE FROM template WHERE person = 'old'`,
		`DELETE FROM person WHERE id = 'old'`,
	} {
		if _, err := tx.ExecContext(t.Context(), s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	// It erases what it does not know of.
	var left int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM record").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d records of who was erased, %v", left, err)
	}
}

func TestMigrationThatFails(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	if err := db.migrate(t.Context(), withNext(t, "CREATE TABLE extra (a INTEGER) STRICT; SELECT nonsense;")); err == nil {
		t.Fatal("went through")
	}
	var extra int
	err := db.writer.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'").Scan(&extra)
	if v := schemaVersion(t, db); v != known(t) || extra != 0 || err != nil {
		t.Errorf("version %d, extra table %d, %v: want it undone", v, extra, err)
	}
	addPerson(t, db, "p2")
}

func TestMigrateTogether(t *testing.T) {
	dir := t.TempDir()
	dbs := make([]*DB, 4)
	for i := range dbs {
		dbs[i] = open(t, dir)
	}
	next := withNext(t, "CREATE TABLE extra (a INTEGER) STRICT; INSERT INTO extra VALUES (1);")
	var wg sync.WaitGroup
	for _, db := range dbs {
		wg.Go(func() {
			if err := db.migrate(t.Context(), next); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := dbs[0].reader.QueryRowContext(t.Context(), "SELECT count(*) FROM extra").Scan(&n); err != nil || n != 1 {
		t.Errorf("the step ran %d times, %v", n, err)
	}
}

// Several processes may be the first to open a store.
func TestCreateTogether(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := Open(t.Context(), options(dir))
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			appendDenied(t, db, 1)
		})
	}
	wg.Wait()
	db := open(t, dir)
	if v, err := db.VerifyEvents(t.Context()); err != nil || v.Events != 4 {
		t.Errorf("%+v, %v, want 4 events", v, err)
	}
}

func TestMigrationNames(t *testing.T) {
	if all, err := steps(migrations()); err != nil || len(all) == 0 {
		t.Errorf("%d migrations, %v", len(all), err)
	}
	for _, name := range []string{"0002_hole.sql", "1_short.sql", "start.sql"} {
		if _, err := steps(fstest.MapFS{name: &fstest.MapFile{}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, o *Options)
		want Code
	}{
		{"the key is gone", func(t *testing.T, o *Options) { must(t, os.Remove(o.KeyFile)) }, CodeKey},
		{"another key", func(t *testing.T, o *Options) {
			o.KeyFile += "2"
			_, err := seal.LoadOrCreate(o.KeyFile)
			must(t, err)
		}, CodeKey},
		{"an exposed key", func(t *testing.T, o *Options) { must(t, os.Chmod(o.KeyFile, 0o644)) }, CodeKey},
		{"text instead of a database", func(t *testing.T, o *Options) {
			must(t, os.WriteFile(o.Path, bytes.Repeat([]byte("hello "), 1000), 0o600))
		}, CodeCorrupt},
		{"another program's database", func(t *testing.T, o *Options) {
			o.Path += "2"
			db, err := sql.Open("sqlite3", o.Path)
			must(t, err)
			run(t, db, "CREATE TABLE shopping (item TEXT)")
			must(t, db.Close())
		}, CodeForeign},
		{"a damaged page", func(t *testing.T, o *Options) {
			b, err := os.ReadFile(o.Path)
			must(t, err)
			for i := 4096; i < len(b); i += 4096 {
				copy(b[i:i+16], "damaged damaged!")
			}
			must(t, os.WriteFile(o.Path, b, 0o600))
		}, CodeCorrupt},
		{"cut short", func(t *testing.T, o *Options) { must(t, os.Truncate(o.Path, 8192)) }, CodeCorrupt},
		{"the chain's secret is gone", func(t *testing.T, o *Options) {
			meddle(t, filepath.Dir(o.Path), func(db *sql.DB) { run(t, db, "DELETE FROM secret") })
		}, CodeCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			addPerson(t, db, "p1")
			must(t, db.Close())
			o := options(dir)
			o.Daemon = true
			tt.do(t, &o)
			db, err := Open(t.Context(), o)
			if err == nil {
				must(t, db.Close())
			}
			if CodeOf(err) != tt.want {
				t.Errorf("got %v (code %s), want code %s", err, CodeOf(err), tt.want)
			}
		})
	}
	o := options(filepath.Join(t.TempDir(), "no such folder"))
	if _, err := Open(t.Context(), o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A full disk is said to be one, loses nothing, and is over when there is space again.
func TestFullDisk(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	if _, err := db.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // as small as it can be
		t.Fatal(err)
	}
	kept := 0
	var err error
	for err == nil {
		err = db.Update(t.Context(), act, func(tx *Tx) error {
			_, err := tx.AddTemplate(Template{Person: "p1", Model: string(rune('a' + kept)), Vector: make1(2000)})
			return err
		})
		if err == nil {
			kept++
		}
	}
	if CodeOf(err) != CodeFull {
		t.Errorf("got %v (code %s), want code %s", err, CodeOf(err), CodeFull)
	}
	if _, err := db.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	appendDenied(t, db, 3)
	v, err := db.VerifyEvents(t.Context())
	if err != nil || v.Events != uint64(1+kept+3) {
		t.Errorf("%d events, %v, want %d", v.Events, err, 1+kept+3)
	}
}

func TestKeyRotation(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	db := open(t, dir)
	for _, id := range []string{"p1", "p2", "p3"} {
		addPerson(t, db, id)
		addPicture(t, db, id, addTemplate(t, db, id, 1, 2).ID, "of "+id)
	}
	for range 5 { // more than are resealed at once
		update(t, db, func(tx *Tx) error { _, err := tx.SetPolicy("policy"); return err })
	}
	_, err := db.SignHead(t.Context(), act)
	must(t, err)
	update(t, db, func(tx *Tx) error {
		return errOf(tx.SetProject(Project{API: APIArgos, Name: "p", Settings: []byte("{}")}))
	})
	key, secret := addKey(t, db, Key{API: APIArgos, Project: "p", Scopes: []string{ScopeRead}})
	gone, _ := addKey(t, db, Key{API: APIBaf, Scopes: []string{ScopeRead}})
	update(t, db, func(tx *Tx) error { return errOf(tx.RevokeKey(gone.ID)) })
	for i := range 5 {
		putRecord(t, db, Record{Kind: "a.b", ID: strings.Repeat("r", i+1), Owner: "o", Person: "p1", Face: i == 0, Expires: noon.Add(time.Hour), Body: []byte("body")})
	}
	addWebhook(t, db, noon, "hook")
	must(t, db.Close())
	old, err := os.ReadFile(o.KeyFile)
	must(t, err)
	fresh := []byte(strings.Repeat("5a", seal.KeySize) + "\n")
	must(t, os.WriteFile(o.KeyFile, append(bytes.Clone(fresh), old...), 0o600))

	// A run that was killed has resealed some rows.
	db = open(t, dir)
	update(t, db, func(tx *Tx) error {
		_, err := tx.SetPerson(access.Person{ID: "p1"})
		return err
	})
	n, err := db.Reseal(t.Context())
	// Two secrets, two people, three templates and pictures, five policies, two keys, a project,
	// five records, a webhook.
	if want := 2 + 2 + 3 + 3 + 5 + 2 + 1 + 5 + 1; err != nil || n != want {
		t.Errorf("resealed %d rows, %v, want %d", n, err, want)
	}
	if n, err := db.Reseal(t.Context()); err != nil || n != 0 {
		t.Errorf("a second time: %d, %v", n, err)
	}
	must(t, db.Close())

	must(t, os.WriteFile(o.KeyFile, fresh, 0o600))
	db = open(t, dir)
	if got := people(t, db); len(got) != 3 || strings.Contains(strings.Join(got, ""), "!") {
		t.Errorf("people with the new key alone: %v", got)
	}
	if got := templates(t, db, "m1"); len(got) != 3 || strings.Contains(strings.Join(got, ""), "!") {
		t.Errorf("templates with the new key alone: %v", got)
	}
	if v, err := db.VerifyEvents(t.Context()); err != nil || v.Signed != 1 {
		t.Errorf("chain with the new key alone: %+v, %v", v, err)
	}
	if diff := cmp.Diff([]string{"p1 of p1", "p2 of p2", "p3 of p3"}, pictures(t, db)); diff != "" {
		t.Errorf("pictures with the new key alone (-want +got)\n%s", diff)
	}
	if p, err := db.Policy(t.Context()); err != nil || p.Body != "policy" {
		t.Errorf("policy with the new key alone: %+v, %v", p, err)
	}
	if k, err := db.KeyBySecret(t.Context(), secret); err != nil || k.ID != key.ID {
		t.Errorf("API key with the new key alone: %+v, %v", k, err)
	}
	if _, err := db.Project(t.Context(), APIArgos, "p"); err != nil {
		t.Errorf("project with the new key alone: %v", err)
	}
	if ids := recordIDs(t, db, noon, "a.b", "o"); len(ids) != 5 {
		t.Errorf("records with the new key alone: %v", ids)
	}
	if bodies, _ := due(t, db, noon); !cmp.Equal(bodies, []string{"hook"}) {
		t.Errorf("webhooks with the new key alone: %v", bodies)
	}
	must(t, db.Close())

	// A row that does not open is named, and keeps nobody from the rest.
	must(t, os.WriteFile(o.KeyFile, append([]byte(strings.Repeat("6b", seal.KeySize)+"\n"), fresh...), 0o600))
	meddle(t, dir, func(raw *sql.DB) { run(t, raw, "UPDATE template SET rev = 99 WHERE n = 1") })
	db = open(t, dir)
	n, err = db.Reseal(t.Context())
	if n != 2+3+2+3+5+2+1+5+1 || !errors.Is(err, seal.ErrSealed) || !strings.Contains(err.Error(), "template 1") {
		t.Errorf("with a damaged row: %d, %v", n, err)
	}
}
