package kiosk

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facegate/access"
	"facegate/door"
	"facegate/door/wire"
	"facegate/health"
	"facegate/store"
)

// What is raised before anybody listens is recorded all the same, and what the door says
// reaches the board.
func TestConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, board, log := open(t), health.NewBoard(), slog.New(slog.DiscardHandler)
		c := NewConditions(board, db, log)
		board.Set(health.ModelsRefused, true, "mask.tflite: wrong hash", time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- board.Run(ctx) }()
		go func() { ended <- c.Run(ctx) }()
		defer func() {
			cancel()
			for range 2 {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}()
		p := &Portal{Board: board}
		p.tell(wire.State{Status: door.Status{State: door.StateForced, Fault: "relay: broken wire"}}, nil, time.Now())
		time.Sleep(time.Minute)
		p.tell(wire.State{Status: door.Status{State: door.StateLocked}}, nil, time.Now())
		board.Set(health.ModelsRefused, false, "", time.Now())
		time.Sleep(time.Minute)
		p.tell(wire.State{}, errors.New("nobody answers"), time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()

		events, err := db.Events(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range events {
			got = append(got, strings.TrimPrefix(string(e.Kind), "health.")+" "+e.Data["condition"]+" "+e.Data["cause"])
		}
		for _, want := range []string{
			"raised models_refused mask.tflite: wrong hash", "cleared models_refused mask.tflite: wrong hash",
			"raised door_forced ", "cleared door_forced ", "raised door_fault relay: broken wire", "cleared door_fault relay: broken wire",
			"raised door_away nobody answers",
		} {
			n := 0
			for _, g := range got {
				if g == want {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d events %q, want 1, in %q", n, want, got)
			}
		}
	})
}

// An audit trail that cannot be written is a condition, and one that can again is none.
func TestWatchedAudit(t *testing.T) {
	board := health.NewBoard()
	o := &order{auditErr: errors.New("disk full")}
	a := Watched(o, board)
	sick := func() bool {
		board.Advance(time.Now().Add(time.Hour))
		for _, c := range board.Conditions() {
			if c.ID == health.StoreSick {
				return true
			}
		}
		return false
	}
	if _, err := a.AppendEvent(t.Context(), store.Act{}, access.Event{}); err == nil || !sick() {
		t.Errorf("a disk that is full: error %v, sick %v", err, sick())
	}
	o.auditErr = nil
	if _, err := a.AppendEvent(t.Context(), store.Act{}, access.Event{}); err != nil || sick() {
		t.Errorf("a disk that is not: error %v, sick %v", err, sick())
	}
}
