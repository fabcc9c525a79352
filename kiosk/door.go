package kiosk

import (
	"context"
	"errors"
	"sync"
	"time"

	"facegate/door"
	"facegate/door/client"
	"facegate/door/wire"
	"facegate/health"
	"facegate/internal/task"
)

// A Portal is the door as a kiosk uses it: it asks doord, and tells a board what it hears. It
// is a task; its methods may be called while Run runs.
type Portal struct {
	*client.Link
	Board *health.Board
	Beat  *task.Beat // where set, ticked each time the door was asked
}

// LockedDown implements [Door].
func (p *Portal) LockedDown(ctx context.Context) (bool, error) {
	s, err := p.Status(ctx)
	return s.Mode == door.ModeLocked || s.Fault != "", err
}

// lookAtDoor is how often the door's state is asked for.
const lookAtDoor = 500 * time.Millisecond

// Run keeps the connection and watches the door's state until ctx ends.
func (p *Portal) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var linked error
	var wg sync.WaitGroup
	wg.Go(func() {
		linked = p.Link.Run(ctx)
		cancel()
	})
	err := every(ctx, lookAtDoor, func() {
		select {
		case <-p.Ready():
		case <-ctx.Done():
			return
		}
		state, err := p.Status(ctx)
		p.tell(state, err, time.Now())
		if p.Beat != nil {
			p.Beat.Tick(time.Now())
		}
	})
	wg.Wait()
	return errors.Join(err, linked)
}

// tell brings the door's state onto the board.
func (p *Portal) tell(s wire.State, err error, at time.Time) {
	away := ""
	if err != nil {
		away = err.Error()
	}
	p.Board.Set(health.DoorAway, err != nil, away, at)
	if err != nil {
		return // what was known last is all that is known
	}
	doorConditions(p.Board, s.Status, s.Journal, at)
}
