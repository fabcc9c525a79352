package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/kiosk"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
	"facegate/store"
	"facegate/wallclock"
)

// decision is the main job: frames, the decision, its record, the door.
func (b *bench) decision(ctx context.Context) (err error) {
	c, err := b.openChain()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	all, err := b.pictures(c.an)
	if err != nil {
		return err
	}
	if err := b.faces(ctx, c, all[0].rgb); err != nil {
		return err
	}
	if err := b.beside(ctx, c, all); err != nil {
		return err
	}
	if err := b.empty(ctx, c); err != nil {
		return err
	}
	return b.visits(ctx, c, all[0].rgb)
}

// visitor is the person in the portrait.
const visitor = "visitor"

// visits lets the person in the portrait, who is enrolled, come to the door again and again.
func (b *bench) visits(ctx context.Context, c *chain, portrait *imgproc.Image) (err error) {
	f, err := frame(portrait, device.YUYV)
	if err != nil {
		return err
	}
	if err := c.meet(f); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{
		Path: filepath.Join(b.dir, "facegate.db"), KeyFile: filepath.Join(b.dir, "key"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return b.atDoor(ctx, func(ctx context.Context, d *rig) error {
		k := kiosk.New(kiosk.Options{Audit: db, Door: &kiosk.Portal{Link: d.Link}, Clock: kiosk.NewWall(wallclock.NewWatch(wallclock.Source{}, nil)), DoorName: access.MainDoor, Unlock: pulse, Log: slog.New(slog.DiscardHandler)})
		people := access.NewDirectory([]access.Person{{ID: visitor, Name: "Visitor"}})
		k.SetPeople(people)
		return b.granted(ctx, c, f, k, d, people, db)
	})
}

// meet enrols the face of a frame.
func (c *chain) meet(f *device.Frame) error {
	c.pipe.End()
	if _, err := c.frame(f, time.Hour); err != nil {
		return err
	}
	e := c.pipe.Analysis().Embedding
	if e == nil {
		return errors.New("the portrait has no usable face")
	}
	return c.id.Gallery.Add(visitor, match.Template{Model: c.an.Model(), Vector: e})
}

// visit shows a face that has just come until it is settled. What it returns is of the last
// frame.
func (c *chain) visit(f *device.Frame) (seen, error) {
	const patience = 50 // frames
	c.pipe.End()
	for range patience {
		s, err := c.frame(f, 33*time.Millisecond)
		if err != nil || s.settled {
			return s, err
		}
	}
	return seen{}, fmt.Errorf("nothing was decided within %d frames", patience)
}

// granted are the rows from the frame that settles a visit to the relay.
func (b *bench) granted(ctx context.Context, c *chain, f *device.Frame, k *kiosk.Kiosk, d *rig, people access.Directory, db *store.DB) error {
	if err := c.watch(liveness.LevelPassive); err != nil {
		return err
	}
	var last, settle, all sample
	grants := 0
	n := max(3, b.Runs/4)
	var s access.Sighting
	for i := range warmUps + n {
		got, err := c.visit(f)
		if err != nil {
			return err
		}
		s = got.sighting
		began := time.Now()
		decision, err := k.Settle(ctx, s)
		took := time.Since(began)
		if err != nil {
			return err
		}
		if err := d.locked(ctx); err != nil {
			return err
		}
		if decision.Outcome == access.Grant {
			grants++
		}
		if i < warmUps {
			continue
		}
		last, settle, all = append(last, millis(got.total)), append(settle, millis(took)), append(all, millis(got.total+took))
	}
	pulses, err := d.pulses()
	if err != nil {
		return err
	}
	said, right := fmt.Sprintf("%d visits, %d grants, %d pulses", warmUps+n, grants, pulses), grants == warmUps+n && pulses == grants
	b.row("visit: its deciding frame (also cover, head, glasses)", last, said, right)
	b.row("visit: decide, record (synchronous FULL), unlock by doord (sim)", settle, said, right)
	b.row("visit: deciding frame to relay", all, said, right)

	const batch = 100
	policy, granted := &access.Policy{}, true
	var decision access.Decision
	rules, err := timed(ctx, b.Runs, batch, func() error {
		decision = policy.Decide(access.Visit{Door: access.MainDoor, At: s.At, Clock: access.ClockSynced, Seen: &s}, people.Person, nil)
		granted = granted && decision.Outcome == access.Grant
		return nil
	})
	if err != nil {
		return err
	}
	b.row("rules alone", rules, decision.Outcome.String(), granted)
	appended, err := timed(ctx, b.Runs, 1, func() error {
		_, err := db.AppendEvent(ctx, store.Act{At: s.At, Source: access.SourceCamera}, decision.Event(access.SourceCamera))
		return err
	})
	if err != nil {
		return err
	}
	verified, err := db.VerifyEvents(ctx)
	b.row("record alone", appended, fmt.Sprintf("chain of %d holds", verified.Events), err == nil)
	return nil
}
