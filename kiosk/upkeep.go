package kiosk

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/store"
)

// Upkeep is what a store needs from time to time: the end of the audit trail signed every
// hour, templates of people who have not been seen for long erased, bypasses ended, what the APIs
// keep for a time removed. It is a task.
type Upkeep struct {
	DB    *store.DB
	Kiosk *Kiosk
	Clock Clock
	Log   *slog.Logger
}

const (
	signEvery = time.Hour
	lookEvery = time.Minute
)

// String is the task's name.
func (u *Upkeep) String() string { return "upkeep" }

// Ready is closed at once.
func (u *Upkeep) Ready() <-chan struct{} { return atOnce() }

// Run does what is due until ctx ends. What fails is tried again a minute later.
func (u *Upkeep) Run(ctx context.Context) error {
	var signed, expired time.Time
	failing := false
	return every(ctx, lookEvery, func() {
		now := time.Now()
		var errs []error
		if now.Sub(signed) >= signEvery {
			_, err := u.DB.SignHead(ctx, u.act(now))
			if err == nil {
				signed = now
			}
			errs = append(errs, err)
		}
		errs = append(errs, u.endBypasses(ctx, now), u.clear(ctx, now))
		if now.Sub(expired) >= signEvery {
			err := u.expire(ctx, now)
			if err == nil {
				expired = now
			}
			errs = append(errs, err)
		}
		err := errors.Join(errs...)
		if err != nil && !failing && ctx.Err() == nil {
			u.Log.ErrorContext(ctx, "upkeep not done", logkey.Error, err)
		}
		failing = err != nil
	})
}

// act is an act of the daemon itself.
func (u *Upkeep) act(now time.Time) store.Act {
	state, _ := u.Clock.Trust(now)
	return store.Act{At: now, Clock: state, Source: access.SourceSystem}
}

// expire erases the templates of people who have not been seen for as long as the rules say.
// It waits for a clock that can be trusted: one that runs ahead would erase everybody.
func (u *Upkeep) expire(ctx context.Context, now time.Time) error {
	p := u.Kiosk.Policy()
	if u.act(now).Clock != access.ClockSynced || p == nil || p.Rules() == nil || p.Rules().RetentionDays <= 0 {
		return nil
	}
	people, err := u.DB.Expire(ctx, u.act(now), now.AddDate(0, 0, -p.Rules().RetentionDays))
	if len(people) > 0 {
		u.Log.InfoContext(ctx, "templates erased for retention", logkey.People, len(people))
	}
	return err
}

// clear removes what the APIs keep for a time only, in transactions that hold the store for a
// moment each.
func (u *Upkeep) clear(ctx context.Context, now time.Time) error {
	for more := true; more && ctx.Err() == nil; {
		err := u.DB.Update(ctx, u.act(now), func(tx *store.Tx) error {
			records, err := tx.ExpireRecords(now)
			if err != nil {
				return err
			}
			webhooks, err := tx.GiveUpWebhooks()
			more = records+webhooks > 0
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// endBypasses records the end of every bypass that has run out.
func (u *Upkeep) endBypasses(ctx context.Context, now time.Time) error {
	if u.act(now).Clock != access.ClockSynced {
		return nil
	}
	var errs []error
	for id, person := range *u.Kiosk.directory.Load() {
		if person.Bypass == nil || now.Before(person.Bypass.Until) {
			continue
		}
		errs = append(errs, u.DB.Update(ctx, u.act(now), func(tx *store.Tx) error {
			_, err := tx.ChangePerson(id, "bypass ended", func(p *access.Person) error {
				if p.Bypass != nil && !now.Before(p.Bypass.Until) {
					p.Bypass = nil
				}
				return nil
			})
			return err
		}))
	}
	return errors.Join(errs...)
}
