package kiosk

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"facegate/access"
	"facegate/store"
)

func TestUpkeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t)
		log := slog.New(slog.DiscardHandler)
		trusted := &order{}
		act := func() store.Act {
			return store.Act{At: time.Now(), Clock: access.ClockSynced, Source: "test"}
		}
		ends := time.Now().Add(90 * time.Minute)
		err := db.Update(t.Context(), act(), func(tx *store.Tx) error {
			for _, p := range []access.Person{
				{ID: "ada", Bypass: &access.Bypass{Since: time.Now(), Until: ends, Reason: "arm in plaster", Author: "root"}},
				{ID: "bob"},
			} {
				if _, err := tx.AddPerson(p); err != nil {
					return err
				}
				if _, err := tx.AddTemplate(store.Template{Person: p.ID, Model: "m", Vector: unit(4, 0)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		k := New(Options{Audit: db, Door: trusted, Clock: trusted, DoorName: access.MainDoor, Log: log})
		rules := &access.Rules{RetentionDays: 30}
		policy, err := rules.Compile(1)
		if err != nil {
			t.Fatal(err)
		}
		k.SetPolicy(policy)
		people := &People{DB: db, Kiosk: k, Log: log}
		if err := people.Load(t.Context()); err != nil {
			t.Fatal(err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- (&Upkeep{DB: db, Kiosk: k, Clock: trusted, Log: log}).Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
			if err := people.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}

		pass(2 * time.Minute)
		heads, err := db.SignedHeads(t.Context())
		if err != nil || len(heads) != 1 {
			t.Errorf("after two minutes: %d signed heads, %v; want 1", len(heads), err)
		}
		if p, err := db.Person(t.Context(), "ada"); err != nil || p.Bypass == nil {
			t.Errorf("before its end: bypass %v, %v", p.Bypass, err)
		}
		pass(90 * time.Minute)
		if p, err := db.Person(t.Context(), "ada"); err != nil || p.Bypass != nil {
			t.Errorf("after its end: bypass %v, %v; want none", p.Bypass, err)
		}
		pass(time.Hour)
		if heads, err = db.SignedHeads(t.Context()); err != nil || len(heads) != 2 {
			t.Errorf("an hour later, with one event more: %d signed heads, %v; want 2", len(heads), err)
		}

		pass(29 * 24 * time.Hour)
		if _, err := db.AppendEvent(t.Context(), act(), access.Event{Kind: access.KindGranted, Person: "bob", Door: access.MainDoor, Source: "camera"}); err != nil {
			t.Fatal(err)
		}
		pass(2 * 24 * time.Hour)
		models, err := db.Models(t.Context())
		if err != nil || models["m"] != 1 {
			t.Errorf("after 31 days: templates %v, %v; want bob's, who was seen", models, err)
		}
		if _, err := db.VerifyEvents(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
