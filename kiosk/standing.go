package kiosk

import (
	"context"
	"log/slog"
	"time"

	"facegate/access"
	"facegate/door"
	"facegate/internal/logkey"
)

// A Scheduler takes a door's scheduled setting as a lease: it ends unless it is renewed.
type Scheduler interface {
	Schedule(ctx context.Context, mode string, lease time.Duration, until time.Time, why string) error
}

// Standing keeps a door unlocked while the rules say that it stands unlocked. It is a task.
type Standing struct {
	Kiosk *Kiosk
	Door  Scheduler
	Lease time.Duration // of a setting; a door is asked three times as often
	Log   *slog.Logger

	unlocked bool
}

// String is the task's name.
func (s *Standing) String() string { return "scheduled door" }

// Ready is closed at once.
func (s *Standing) Ready() <-chan struct{} { return atOnce() }

// Run renews the setting until ctx ends. A door that does not answer locks by itself when its
// lease ends.
func (s *Standing) Run(ctx context.Context) error {
	failing := false
	return every(ctx, min(s.Lease/3, time.Second), func() {
		err := s.renew(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "scheduled door not set", logkey.Error, err)
		}
		failing = err != nil
	})
}

func (s *Standing) renew(ctx context.Context) error {
	unlocked, until := s.Kiosk.standing(time.Now())
	if !unlocked && !s.unlocked {
		return nil
	}
	mode, lease := door.ModeNormal, time.Duration(0)
	if unlocked {
		mode, lease = door.ModeUnlocked, s.Lease
	}
	if err := s.Door.Schedule(ctx, mode, lease, until, "schedule"); err != nil {
		return err
	}
	s.unlocked = unlocked
	return nil
}

// standing is whether the rules keep the door unlocked now.
func (k *Kiosk) standing(now time.Time) (unlocked bool, until time.Time) {
	v := access.Visit{Door: k.o.DoorName, At: now}
	v.Clock, v.Floor = k.o.Clock.Trust(now)
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.policy.Load().Standing(v, k.memory)
}
