package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"facegate/device/sim"
	"facegate/door"
	"facegate/door/client"
	"facegate/door/journal"
	"facegate/door/server"
	"facegate/internal/task"
)

// pulse is how long a grant unlocks the simulated door: just long enough to be seen.
const pulse = 5 * time.Millisecond

// A rig is a running doord with a simulated door, and the link to it.
type rig struct {
	*client.Link
	log string
}

// atDoor runs fn beside a doord of its own, which serves a Unix socket as the real one does.
func (b *bench) atDoor(ctx context.Context, fn func(context.Context, *rig) error) (err error) {
	log := slog.New(slog.DiscardHandler)
	r := &rig{log: filepath.Join(b.dir, "door.log")}
	socket := filepath.Join(b.dir, "doord.sock")
	claim, err := server.ClaimDoor(socket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	board, err := sim.Open(r.log, sim.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, board.Close()) }()
	listener, err := claim.Listen(ctx)
	if err != nil {
		return err
	}
	doord := server.New(server.Options{
		Door:  door.Config{Unlock: pulse, MaxOn: time.Second},
		Relay: board.Relay(), Sim: board, Listener: listener, Log: log,
		Journal: journal.Open(filepath.Join(b.dir, "door.journal"), log),
	})
	r.Link = client.NewLink(socket, log)
	ctx, end := context.WithCancel(ctx)
	manager := task.Manager{Notify: func(string) error { return nil }}
	group := task.Group{Log: log, Manager: manager, Tasks: []task.Task{doord, r.Link}}
	var wg sync.WaitGroup
	var ended error
	wg.Go(func() { ended = group.Run(ctx) })
	defer func() {
		end()
		wg.Wait()
		err = errors.Join(err, ended)
	}()
	if err := r.locked(ctx); err != nil {
		return err
	}
	return fn(ctx, r)
}

// locked waits until the door answers and is locked.
func (r *rig) locked(ctx context.Context) error {
	const patience = 10 * time.Second
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for {
		s, err := r.Status(ctx)
		switch {
		case err == nil && !s.Unlocked:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("wait for the simulated door: %w", errors.Join(ctx.Err(), err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// pulses counts the times the relay was energised, as the door's log has them.
func (r *rig) pulses() (int, error) {
	text, err := os.ReadFile(r.log)
	return bytes.Count(text, []byte(`"line":"relay","on":true`)), err
}
