package store

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/mattn/go-sqlite3"

	"facegate/store/seal"
)

// A Code sorts what can go wrong with a store by what a person has to do about it.
type Code string

// Codes of an [Error].
const (
	CodeInUse   Code = "in_use"  // another daemon has it
	CodeBusy    Code = "busy"    // others held it for too long
	CodeNewer   Code = "newer"   // a later release wrote it
	CodeForeign Code = "foreign" // it is the database of something else
	CodeKey     Code = "key"     // the key file is missing, exposed or another store's
	CodeCorrupt Code = "corrupt" // the file is damaged
	CodeFull    Code = "full"    // no space left
	CodeDenied  Code = "denied"  // no permission, or read-only
	CodeDisk    Code = "disk"    // the disk reports errors
	CodeConsent Code = "consent" // the person has not agreed
	CodeOther   Code = "other"
)

// An Error is a condition of the store that a person has to act on. Hint says how.
type Error struct {
	Code Code
	Hint string
	Err  error
}

// Error is the cause followed by the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (%s)", e.Err, e.Hint)
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of the [Error] in err's chain, or CodeOther.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeOther
}

// classify gives errors of SQLite, files and keys their code and hint. Others stay as they are.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[sqlite3.Error](err); ok {
		switch e.Code {
		case sqlite3.ErrBusy, sqlite3.ErrLocked:
			return &Error{CodeBusy, "another process keeps the store; try again", err}
		case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
			return &Error{CodeCorrupt, "the database file is damaged: keep it for inspection and restore a backup", err}
		case sqlite3.ErrFull:
			return &Error{CodeFull, "the disk is full: make space", err}
		case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrAuth, sqlite3.ErrCantOpen:
			return &Error{CodeDenied, "the database cannot be written: look at the permissions of the file and its folder, and for a read-only disk", err}
		case sqlite3.ErrIoErr:
			return &Error{CodeDisk, "the disk reports errors: look at the kernel log and replace the card", err}
		}
		return err
	}
	switch {
	case errors.Is(err, seal.ErrExposed):
		return &Error{CodeKey, "", err}
	case errors.Is(err, fs.ErrPermission):
		return &Error{CodeDenied, "run as the user the store belongs to", err}
	}
	return err
}
