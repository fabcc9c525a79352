package kiosk

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"facegate/access"
	"facegate/door"
	"facegate/health"
	"facegate/internal/logkey"
	"facegate/store"
)

// Conditions brings what is raised and cleared on a board into the audit trail, every change
// once and in order, from the moment it was made. It is a task.
type Conditions struct {
	changes *health.Subscription
	db      *store.DB
	log     *slog.Logger
}

// NewConditions returns the recorder of a board.
func NewConditions(board *health.Board, db *store.DB, log *slog.Logger) *Conditions {
	return &Conditions{board.Subscribe(), db, log}
}

// String is the task's name.
func (c *Conditions) String() string { return "conditions" }

// Ready is closed at once.
func (c *Conditions) Ready() <-chan struct{} { return atOnce() }

// Run records changes until ctx ends. While the store is sick it keeps the change at hand and
// tries again; those behind it wait on the board.
func (c *Conditions) Run(ctx context.Context) error {
	defer c.changes.Close()
	for {
		change, err := c.changes.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // it is ctx's
		}
		level := slog.LevelInfo
		if change.Raised && change.Condition.Severity > health.Notice {
			level = slog.LevelWarn
		}
		c.log.Log(ctx, level, "condition", logkey.Condition, string(change.Condition.ID), logkey.On, change.Raised, logkey.Why, change.Condition.Cause)
		c.record(ctx, change)
	}
}

func (c *Conditions) record(ctx context.Context, change health.Change) {
	for {
		if _, err := c.db.AppendEvent(ctx, Now(access.SourceSystem), conditionEvent(change)); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryRecord):
		}
	}
}

// retryRecord is the pause before a change is recorded again on a sick store.
const retryRecord = 5 * time.Second

func conditionEvent(change health.Change) access.Event {
	e := access.Event{
		Time: change.At, Kind: access.KindHealthCleared, Source: access.SourceSystem,
		Data: map[string]string{"condition": string(change.Condition.ID), "severity": change.Condition.Severity.String()},
	}
	if change.Raised {
		e.Kind = access.KindHealthRaised
	}
	if cause := plain(change.Condition.Cause); cause != "" {
		e.Data["cause"] = cause
	}
	if change.Merged > 0 {
		e.Data["merged"] = strconv.Itoa(change.Merged)
	}
	return e
}

// doorConditions tells a board what a door's state means for it.
func doorConditions(b *health.Board, s door.Status, journal string, at time.Time) {
	b.Set(health.DoorHeld, s.State == door.StateHeld, "", at)
	b.Set(health.DoorForced, s.State == door.StateForced, "", at)
	b.Set(health.Tamper, s.Inputs.Tamper, "", at)
	fault := s.Fault
	if fault == "" {
		fault = journal
	}
	b.Set(health.DoorFault, fault != "", fault, at)
}

// watched is an audit trail that tells a board whether it can be written.
type watched struct {
	Audit
	board *health.Board
}

// Watched returns a as it is, but for a board that is told whether it can be written.
func Watched(a Audit, board *health.Board) Audit { return &watched{a, board} }

func (w *watched) AppendEvent(ctx context.Context, act store.Act, e access.Event) (access.Event, error) {
	e, err := w.Audit.AppendEvent(ctx, act, e)
	cause := ""
	if err != nil {
		cause = err.Error()
	}
	w.board.Set(health.StoreSick, err != nil, cause, time.Now())
	return e, err
}
