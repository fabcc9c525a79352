package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// doorCursor begins the name of the counter that says how far a door's journal was taken
// over; the journal's id follows.
const doorCursor = "door "

// DoorCursor is how far a door's journal has been taken over: the journal's id and the last
// event's number in it, empty and 0 where none has been.
func (db *DB) DoorCursor(ctx context.Context) (journal string, seq uint64, err error) {
	row := db.reader.QueryRowContext(ctx, "SELECT name, value FROM counter WHERE name >= ? AND name < ?", doorCursor, "door!")
	switch err := row.Scan(&journal, &seq); {
	case errors.Is(err, sql.ErrNoRows):
		return "", 0, nil
	case err != nil:
		return "", 0, classify(fmt.Errorf("read door cursor: %w", err))
	}
	return strings.TrimPrefix(journal, doorCursor), seq, nil
}

// SetDoorCursor keeps how far a door's journal has been taken over, in the transaction that
// keeps its events, so that no event is lost or doubled.
func (tx *Tx) SetDoorCursor(journal string, seq uint64) error {
	if _, err := tx.sql.ExecContext(tx.ctx, "DELETE FROM counter WHERE name >= ? AND name < ?", doorCursor, "door!"); err != nil {
		return fmt.Errorf("set door cursor: %w", err)
	}
	if _, err := tx.sql.ExecContext(tx.ctx, "INSERT INTO counter VALUES (?, ?)", doorCursor+journal, seq); err != nil {
		return fmt.Errorf("set door cursor: %w", err)
	}
	return nil
}
