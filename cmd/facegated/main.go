// Facegated is the kiosk's daemon: camera, models, rules, store. The door itself is doord's.
//
// Usage: facegated [--config FILE] [--home DIR] [--check] [--until-idle]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/device/replay"
	"facegate/device/v4l2"
	"facegate/door/client"
	"facegate/internal/config"
	"facegate/internal/logkey"
	"facegate/internal/task"
	"facegate/kiosk"
	"facegate/models/load"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/store"
)

func main() {
	file := flag.String("config", "", "configuration file; facegate.toml in the home directory if empty")
	home := flag.String("home", "", "directory of the instance")
	check := flag.Bool("check", false, "validate the configuration and exit")
	untilIdle := flag.Bool("until-idle", false, "exit when a replay has ended and every decision is recorded")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() error {
		dir, err := config.Home(*home)
		if err != nil {
			return err
		}
		c, err := config.Open(*file, dir)
		if err != nil || *check {
			return err
		}
		return run(ctx, c, *untilIdle, log)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "facegated:", err)
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			fmt.Fprintln(os.Stderr, "hint:", h.Hint())
		}
		os.Exit(3) //nolint:gocritic // nothing is left to undo: run has closed what it opened
	}
}

// run wires the kiosk and serves until ctx ends.
func run(ctx context.Context, c *config.Config, untilIdle bool, log *slog.Logger) (err error) {
	level, err := liveness.ParseLevel(c.Liveness.Level)
	if err != nil {
		return err
	}
	camera, err := openCamera(c, log)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{Path: c.Store.Path, KeyFile: c.Store.KeyFile, Daemon: true, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	if broken, err := db.Broken(ctx); err != nil {
		return err
	} else if broken != nil {
		return fmt.Errorf("%w: no event can be added; facegate events verify shows the break, with --accept the trail goes on after it", broken)
	}

	engine, err := load.Open(c.Home, c.Models.Dir, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	an, err := pipeline.Open(engine.Load, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, an.Close()) }()
	// Optional: without the library MJPEG frames take some milliseconds longer.
	if turbo, err := imgproc.OpenTurbo(); err == nil {
		defer func() { an.UseTurbo(nil); turbo.Close() }()
		an.UseTurbo(turbo)
	}
	id, err := kiosk.NewIdentifier(engine.Models.List(), an)
	if err != nil {
		return err
	}
	watch, err := pipeline.New(an, id, pipeline.Options{Level: level})
	if err != nil {
		return err
	}

	link := client.NewLink(c.Door.Socket, log)
	k := kiosk.New(kiosk.Options{Audit: db, Door: link, DoorName: access.MainDoor, Unlock: c.Door.Unlock, Log: log})
	people := &kiosk.People{DB: db, Gallery: id.Gallery, Kiosk: k, Log: log}
	if err := people.Load(ctx); err != nil {
		return err
	}
	beat := task.NewBeat("camera", 30*time.Second, time.Now())
	lens := &kiosk.Lens{Camera: camera, Pipeline: watch, Kiosk: k, Log: log, UntilIdle: untilIdle, Beat: beat}
	events := kiosk.NewDoorEvents(db, c.Door.Socket, log)

	manager, err := task.Systemd()
	if err != nil {
		return err
	}
	if err := kiosk.Record(ctx, db, access.KindStarted); err != nil {
		return err
	}
	group := task.Group{Log: log, Manager: manager, Tasks: []task.Task{link, lens, people, events}, Beats: []*task.Beat{beat}}
	err = group.Run(ctx)
	if errors.Is(err, kiosk.ErrIdle) {
		err = nil
	}
	return errors.Join(err, kiosk.Record(context.WithoutCancel(ctx), db, access.KindStopped))
}

func openCamera(c *config.Config, log *slog.Logger) (device.Camera, error) {
	if c.Camera.Driver == config.CameraReplay {
		return replay.Open(c.Camera.Path, replay.Options{
			Decode: decode, FPS: c.Camera.FPS, Hold: c.Camera.Hold, Loop: c.Camera.Loop, Exact: !c.Camera.Jitter,
		})
	}
	cam := v4l2.New(v4l2.Options{Device: c.Camera.Device, FPS: c.Camera.FPS})
	return v4l2.NewReopening(cam, func(n v4l2.Notice) {
		log.Warn("camera condition", logkey.Kind, n.Condition.String(), logkey.On, n.Raised, logkey.Error, n.Err)
	}), nil
}

// decode is imgproc's, for the replay camera.
func decode(data []byte) (w, h int, rgb []byte, err error) {
	m, err := imgproc.Decode(data)
	if err != nil {
		return 0, 0, nil, err
	}
	return m.W, m.H, m.Pix, nil
}
