// Package store keeps people, sealed templates, the keys and records of the APIs and the audit
// trail in one SQLite file.
//
// Changes go through [DB.Update], reads through [DB.View] or the methods of [DB]. A
// transaction is either committed, and then on the disk, or has not happened. Every change
// to people and templates appends its event in the same transaction, so nothing changes
// unrecorded. What is known of people, vectors, pictures, the policy, what keys may do and what
// the APIs keep are sealed (package seal); the key lies outside the database. Of a secret that
// an API key is there is a hash.
//
// Events form a chain without gaps (docs/audit.md). The chain's end is also kept, with a
// message authentication code, in a small file beside the database, "<path>-head": cutting
// events off is found even where the database was made to agree.
//
// Several processes may have a store open; SQLite's locks keep them apart. One of them may be
// the daemon ([Options].Daemon), of which there can be one only. It notices what the
// others change by polling [DB.PeopleRevision]. A DB may be used from any goroutine, a [Tx]
// from the one that it was given to.
//
// The store refuses a database that a later release has changed so that this one would
// misread it, one that belongs to another key, and vectors that no comparison could use. It
// stores no pictures of its own accord but those that people agreed to be enrolled with.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// Options says which store to open, and how.
type Options struct {
	Path    string       // of the database; made, with mode 0600, where there is none
	KeyFile string       // seal.Load; made only together with a new database
	Daemon  bool         // be the one daemon of this store, and check the file's structure first
	Log     *slog.Logger // never nil

	// MaxTemplates is the most templates of one person and model; 0 is 8: bare, with glasses
	// and with a mask, twice each, and room for two more.
	MaxTemplates int
	// ConsentRequired refuses templates of people who have not agreed ([Tx.GiveConsent]).
	ConsentRequired bool
}

// A DB is an open store.
type DB struct {
	path    string
	keyFile string
	log     *slog.Logger
	most    int
	consent bool // is a precondition of templates
	ring    *seal.Ring
	writer  *sql.DB // one connection
	turn    turn    // of it
	reader  *sql.DB
	lists   *sql.DB // of List
	sweeper *sql.DB // of checkpoint
	swept   swept
	stop    func()   // ends the sweep; nil where this is not the daemon
	lock    *os.File // nil where this is not the daemon
	macKey  []byte
	epoch   uint64
	anchor  *anchor
}

// An Act says when a change is made, by whom, and whether the clock was right. Events of the
// transaction take it over where they do not say otherwise.
type Act struct {
	At     time.Time
	Source string       // access.SourceAdmin(name) and the like
	Clock  access.Clock // empty is access.ClockUnsure
	// Patient lets all writers that are not go first: nobody at the door waits for it.
	Patient bool
}

// Open opens the store, brings it to this release's schema and checks that key, chain and
// file belong together. Errors that a person can act on are an *[Error]. A store whose event
// chain was cut off opens, so that it can be inspected; [DB.Broken] tells.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{path: o.Path, keyFile: o.KeyFile, log: o.Log, most: o.MaxTemplates, consent: o.ConsentRequired}
	if db.most == 0 {
		db.most = 8
	}
	if err := db.open(ctx, o.Daemon); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", o.Path, classify(err)), db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, daemon bool) error {
	fresh, err := touch(db.path)
	if err != nil {
		return err
	}
	if daemon {
		if db.lock, err = lockFile(db.path + "-lock"); err != nil {
			return err
		}
	}
	if fresh {
		db.ring, err = seal.LoadOrCreate(db.keyFile)
	} else if db.ring, err = seal.Load(db.keyFile); errors.Is(err, fs.ErrNotExist) {
		err = &Error{CodeKey, "without the key this store cannot be read: bring the key file back, or move the database away to begin anew", err}
	}
	if err != nil {
		return err
	}
	db.connect()
	if daemon && !fresh {
		if err := check(ctx, db.reader); err != nil {
			return err
		}
	}
	if err := db.migrate(ctx, migrations()); err != nil {
		return err
	}
	if daemon && !fresh {
		// Whoever erased something may have ended before it was overwritten.
		if _, err := db.checkpoint(ctx); err != nil {
			return err
		}
	}
	if err := db.openChain(ctx); err != nil {
		return err
	}
	if daemon {
		db.stop = db.sweep(ctx)
	}
	return nil
}

// touch makes an empty database file that only its owner can read; SQLite gives its other
// files the same mode. It reports whether the database holds nothing yet.
func touch(path string) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	// A database that was never checkpointed is empty and all in its write-ahead log.
	wal, err := os.Stat(path + "-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if info.Size() > 0 || wal != nil && wal.Size() > 0 {
		return false, nil
	}
	return true, syncDir(path)
}

// check looks for damage to the file's structure.
func check(ctx context.Context, db *sql.DB) error {
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return &Error{CodeCorrupt, "the database file is damaged: keep it for inspection and restore a backup", errors.New(found)}
	}
	return nil
}

// Close ends the use of the store. It must not be called while a transaction runs.
func (db *DB) Close() error {
	if db.stop != nil {
		db.stop()
	}
	var errs []error
	if db.anchor != nil {
		errs = append(errs, db.anchor.close())
	}
	if db.writer != nil {
		errs = append(errs, db.sweeper.Close(), db.lists.Close(), db.reader.Close())
		errs = append(errs, db.writer.Close()) // the last one empties the write-ahead log
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

// A Tx is one transaction at one moment. Its methods fail once the transaction has ended.
type Tx struct {
	ctx context.Context
	sql *sql.Tx
	db  *DB
	act Act

	head    head // as this transaction leaves it
	grown   bool // head was read and moved on
	pending bool // head must be written before the commit
	erased  bool // what was deleted must be overwritten after the commit

	unrecorded error // of the event that could not be appended
}

// Now is the transaction's one moment.
func (tx *Tx) Now() time.Time { return tx.act.At }

// Update runs fn in a transaction that may write. It commits where fn returns nil; then
// everything fn did is on the disk. One Update runs at a time, in this process and all others;
// fn must not call another. An error of the disk comes back as an *[Error].
func (db *DB) Update(ctx context.Context, act Act, fn func(*Tx) error) error {
	erased, err := db.update(ctx, act, fn)
	if erased {
		db.overwrite(ctx)
	}
	return err
}

// update is [DB.Update], and leaves it to the caller to overwrite what was erased.
func (db *DB) update(ctx context.Context, act Act, fn func(*Tx) error) (erased bool, err error) {
	if act.Clock == "" {
		act.Clock = access.ClockUnsure
	}
	act.At = act.At.UTC().Truncate(time.Millisecond)
	if err := db.turn.take(ctx, !act.Patient); err != nil {
		return false, classify(fmt.Errorf("begin: %w", err))
	}
	defer db.turn.leave()
	stx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return false, classify(fmt.Errorf("begin: %w", err))
	}
	defer stx.Rollback() //nolint:errcheck // after a commit it does nothing; before one the error at hand counts
	tx := &Tx{ctx: ctx, sql: stx, db: db, act: act}
	if err := fn(tx); err != nil {
		return false, classify(err)
	}
	if tx.unrecorded != nil {
		return false, classify(tx.unrecorded)
	}
	if tx.erased {
		if err := tx.countErasure(); err != nil {
			return false, classify(err)
		}
	}
	if tx.pending {
		if err := tx.writeHead(); err != nil {
			return false, classify(err)
		}
	}
	if err := stx.Commit(); err != nil {
		return false, classify(fmt.Errorf("commit: %w", err))
	}
	if tx.pending {
		// The events are committed; an anchor that lags behind them is only a weaker guard.
		if err := db.anchor.put(tx.head); err != nil {
			db.log.WarnContext(ctx, "audit anchor not written", "error", err)
		}
	}
	return tx.erased, nil
}

// overwrite is scrub after a commit, which stands whatever becomes of it or of ctx.
func (db *DB) overwrite(ctx context.Context) {
	pending, _, err := db.scrub(context.WithoutCancel(ctx))
	if err != nil || pending {
		db.log.WarnContext(ctx, "what was erased stays in the write-ahead log until nobody reads", "error", err)
	}
}

// View runs fn on one unchanging state of the store. Writing in it fails. What reads many rows
// on behalf of a caller is for [DB.List].
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error { return db.view(ctx, db.reader, fn) }

// listWithin is how long a list may take, with its wait.
const listWithin = 10 * time.Second

// List is [DB.View] for lists that may be long. Two are read at once; others wait, and keep
// nobody else from reading. The error is an [*Error] of CodeBusy where a list is not read
// within 10 s or until ctx ends.
func (db *DB) List(ctx context.Context, fn func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	err := db.view(ctx, db.lists, fn)
	if err != nil && ctx.Err() != nil {
		err = &Error{CodeBusy, "other lists are being read; try again", err}
	}
	return err
}

func (db *DB) view(ctx context.Context, pool *sql.DB, fn func(*Tx) error) error {
	stx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return classify(fmt.Errorf("begin: %w", err))
	}
	defer stx.Rollback() //nolint:errcheck // nothing was written
	return classify(fn(&Tx{ctx: ctx, sql: stx, db: db}))
}

// PeopleRevision grows with every change to a person or template, by whichever process.
// Reading it is cheap enough to do several times a second.
func (db *DB) PeopleRevision(ctx context.Context) (uint64, error) {
	n, err := peopleRevision(ctx, db.reader)
	return n, classify(err)
}

// PeopleRevision is the revision of the people and templates that this transaction sees.
func (tx *Tx) PeopleRevision() (uint64, error) { return peopleRevision(tx.ctx, tx.sql) }

func peopleRevision(ctx context.Context, q queryer) (n uint64, err error) {
	err = q.QueryRowContext(ctx, "SELECT value FROM counter WHERE name = 'people'").Scan(&n)
	return n, err
}

// revise takes the next people revision.
func (tx *Tx) revise() (n uint64, err error) {
	err = tx.sql.QueryRowContext(tx.ctx, "UPDATE counter SET value = value + 1 WHERE name = 'people' RETURNING value").Scan(&n)
	return n, err
}

// syncDir makes a new or renamed file's name permanent.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
