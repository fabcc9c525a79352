package kiosk

import (
	"context"
	"time"

	"facegate/access"
	"facegate/store"
)

// Record appends an event of the program itself.
func Record(ctx context.Context, db *store.DB, kind access.Kind) error {
	_, err := db.AppendEvent(ctx, store.Act{At: time.Now(), Source: access.SourceSystem}, access.Event{Kind: kind, Source: access.SourceSystem})
	return err
}
