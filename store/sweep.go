package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// What was erased stands in the write-ahead log until that is emptied, which nobody can do while
// somebody reads. Nobody who writes waits for it, so it is tried again: for a moment by whoever
// erased, and then by the daemon.

const (
	emptyWithin = 2 * time.Second // longer than most read
	sweepEvery  = time.Second
)

// swept is how far the write-ahead log has been emptied.
type swept struct {
	mu   sync.Mutex // one checkpoint at a time
	ever bool
	upTo uint64 // as counted by countErasure
}

// countErasure tells the daemon, whichever process this is, that there is something to overwrite.
func (tx *Tx) countErasure() error {
	_, err := tx.sql.ExecContext(tx.ctx, "INSERT INTO counter VALUES ('erased', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
	if err != nil {
		return fmt.Errorf("count erasures: %w", err)
	}
	return nil
}

func (db *DB) erasures(ctx context.Context) (n uint64, err error) {
	err = db.sweeper.QueryRowContext(ctx, "SELECT coalesce(max(value), 0) FROM counter WHERE name = 'erased'").Scan(&n)
	return n, err
}

// checkpoint empties the write-ahead log into the database, where deleted rows are overwritten. It
// waits for nobody: pending is set where somebody was in the way.
func (db *DB) checkpoint(ctx context.Context) (pending bool, err error) {
	db.swept.mu.Lock()
	defer db.swept.mu.Unlock()
	n, err := db.erasures(ctx)
	// The first does the work while others write, and those who begin to read after it are not in
	// the way of the second, which lets nobody write.
	for _, mode := range []string{"PASSIVE", "TRUNCATE"} {
		if err != nil || pending {
			break
		}
		var logged, moved int
		err = db.sweeper.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&pending, &logged, &moved)
		pending = pending || moved < logged
	}
	if err != nil {
		err = classify(fmt.Errorf("empty the write-ahead log: %w", err))
		if CodeOf(err) == CodeBusy {
			err = nil
		}
		return true, err
	}
	if !pending {
		db.swept.ever, db.swept.upTo = true, n
	}
	return pending, nil
}

// empty is checkpoint, tried for a while.
func (db *DB) empty(ctx context.Context) (pending bool, err error) {
	end := time.Now().Add(emptyWithin)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		pending, err = db.checkpoint(ctx)
		if !pending || err != nil || time.Now().After(end) {
			return pending, err
		}
		time.Sleep(wait)
	}
}

// sweep empties the write-ahead log every second, where anybody has erased something since it was
// empty, until it is stopped.
func (db *DB) sweep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		failing := false
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := db.sweepOnce(ctx)
			if err != nil && ctx.Err() == nil && !failing {
				db.log.WarnContext(ctx, "what was erased stays in the write-ahead log", "error", err)
			}
			failing = err != nil
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func (db *DB) sweepOnce(ctx context.Context) error {
	n, err := db.erasures(ctx)
	db.swept.mu.Lock()
	done := db.swept.ever && db.swept.upTo == n
	db.swept.mu.Unlock()
	if err == nil && !done {
		_, err = db.checkpoint(ctx)
	}
	return err
}
