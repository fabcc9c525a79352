// Package task runs the long-lived parts of a program together.
//
// Each part is a [Task]. A [Group] starts them all, tells the service manager when every
// one is ready, feeds its watchdog while every [Beat] is on time, and ends all of them when
// one ends. Signals are main's business: it cancels the context. Panics are not recovered:
// the service manager restarts the program, which is cheaper than guessing what still holds.
package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"facegate/internal/logkey"
)

// A Task runs until ctx ends. Run returns nil on cancellation; any other return ends the
// process. Ready is closed once the task does its work; a task that retries something
// outside the program is ready while it retries. String names the task in logs and errors.
type Task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	String() string
}

// ErrEnded means that a task returned without error while it should have gone on.
var ErrEnded = errors.New("ended unasked")

// A Manager is the service manager as the group sees it.
type Manager struct {
	// Notify sends one state ("READY=1", "WATCHDOG=1", "STOPPING=1").
	Notify func(state string) error
	// Watchdog is how long the manager waits for a sign of life; 0 is for ever.
	Watchdog time.Duration
}

// Systemd returns the manager that started this program, told through its environment;
// without one, a manager that ignores everything.
func Systemd() (Manager, error) {
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return Manager{}, fmt.Errorf("read watchdog interval: %w", err)
	}
	notify := func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}
	return Manager{Notify: notify, Watchdog: watchdog}, nil
}

// A Group is a set of tasks that live and end together. Beats are the signs of life the
// watchdog asks for; without any, a running group is alive.
type Group struct {
	Log     *slog.Logger
	Manager Manager
	Tasks   []Task
	Beats   []*Beat
}

// Run runs every task until ctx ends or the first of them returns, cancels the others,
// waits for all, and returns what each said wrong, joined; nil after a cancellation that
// all obeyed. A Group runs once.
func (g *Group) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var wg sync.WaitGroup
	errs := make([]error, len(g.Tasks))
	for i, t := range g.Tasks {
		wg.Go(func() {
			err := t.Run(ctx)
			if err == nil && ctx.Err() == nil {
				err = ErrEnded
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", t, err)
			}
			cancel()
		})
	}
	wg.Go(func() { g.attend(ctx) })
	wg.Wait()
	return errors.Join(errs...)
}

// attend tells the manager how the group is until ctx ends.
func (g *Group) attend(ctx context.Context) {
	defer g.notify(daemon.SdNotifyStopping)
	for _, t := range g.Tasks {
		select {
		case <-t.Ready():
		case <-ctx.Done():
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	g.notify(daemon.SdNotifyReady)
	if g.Manager.Watchdog <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(g.Manager.Watchdog / 3)
	defer tick.Stop()
	g.notify(daemon.SdNotifyWatchdog)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if late := g.late(now); late != nil {
				g.Log.Error("watchdog not fed", logkey.Task, late.name, logkey.Duration, late.Age(now))
				continue
			}
			g.notify(daemon.SdNotifyWatchdog)
		}
	}
}

func (g *Group) late(now time.Time) *Beat {
	for _, b := range g.Beats {
		if b.Age(now) > b.budget {
			return b
		}
	}
	return nil
}

func (g *Group) notify(state string) {
	if g.Manager.Notify == nil {
		return
	}
	if err := g.Manager.Notify(state); err != nil {
		g.Log.Warn("service manager not reached", logkey.Error, err)
	}
}
