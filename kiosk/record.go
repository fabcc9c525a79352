package kiosk

import (
	"context"

	"facegate/access"
	"facegate/store"
)

// Record appends an event of the program itself.
func Record(ctx context.Context, db *store.DB, kind access.Kind) error {
	_, err := db.AppendEvent(ctx, Now(access.SourceSystem), access.Event{Kind: kind, Source: access.SourceSystem})
	return err
}
