package kiosk

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"facegate/access"
	"facegate/door"
	"facegate/door/client"
	"facegate/store"
)

// NewDoorEvents returns the task that brings the door's journal into the audit trail, what
// happened while this daemon was away included, each event once and in order. The door has
// the name given in rules and events.
func NewDoorEvents(db *store.DB, socket, name string, log *slog.Logger) *client.Collector {
	return &client.Collector{
		Socket: socket, Log: log,
		After: func(ctx context.Context) (client.Cursor, error) {
			journal, seq, err := db.DoorCursor(ctx)
			return client.Cursor{Journal: journal, Seq: seq}, err
		},
		Commit: func(ctx context.Context, at client.Cursor, events []door.Event) error {
			return db.Update(ctx, Now(access.SourceSystem), func(tx *store.Tx) error {
				for _, e := range events {
					if _, err := tx.Append(doorEvent(e, name)); err != nil {
						return err
					}
				}
				return tx.SetDoorCursor(at.Journal, at.Seq)
			})
		},
	}
}

// doorEvent is a door's event as the audit trail tells it.
func doorEvent(e door.Event, name string) access.Event {
	out := access.Event{
		Time: e.Time, Kind: access.Kind(e.Kind), Door: name, Source: access.SourceSystem,
		Data: map[string]string{"journal": strconv.FormatUint(e.Seq, 10)},
	}
	switch e.Who {
	case door.WhoRex:
		out.Source = access.SourceREX
	case door.WhoController:
		out.Source = access.SourceCamera
	case door.WhoOperator:
		out.Source = access.SourceAdmin("door")
		if by := plain(e.By); by != "" {
			out.Source = access.SourceAdmin(by)
		}
	}
	if why := plain(e.Why); why != "" {
		out.Data["why"] = why
	}
	if !out.Kind.Valid() {
		// A doord of a later release: the record is kept under a kind that says so.
		out.Kind = access.KindCommandDone
		out.Data["kind"] = plain(e.Kind)
	}
	if out.Kind == access.KindDoorFire || out.Kind == access.KindTamper {
		out.Data["on"] = strconv.FormatBool(e.On)
	}
	if e.Count > 0 {
		out.Data["count"] = strconv.FormatUint(e.Count, 10)
	}
	return out
}

// plain is a text as the audit trail takes it: printable, and not longer than it allows.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > maxWhy {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// maxWhy is how long a text in an event's data may be, in bytes.
const maxWhy = 256
