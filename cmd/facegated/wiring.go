package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/local"
	"facegate/device"
	"facegate/device/replay"
	"facegate/device/v4l2"
	"facegate/door/client"
	"facegate/health"
	"facegate/internal/config"
	"facegate/internal/logkey"
	"facegate/internal/task"
	"facegate/judge"
	"facegate/kiosk"
	"facegate/models/load"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
	"facegate/store"
	"facegate/wallclock"
)

// run wires the kiosk and serves until ctx ends.
func run(ctx context.Context, c *config.Config, untilIdle bool, log *slog.Logger) (err error) {
	board := health.NewBoard()
	camera, err := openCamera(c, board, log)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{
		Path: c.Store.Path, KeyFile: c.Store.KeyFile, Daemon: true, ConsentRequired: c.Privacy.ConsentRequired, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if broken, err := db.Broken(ctx); err != nil {
		return err
	} else if broken != nil {
		return fmt.Errorf("%w: no event can be added; facegate events verify shows the break, with --accept the trail goes on after it", broken)
	}

	conditions := kiosk.NewConditions(board, db, log)
	clock := wallclock.NewWatch(wallclock.Source{}, func(now time.Time, by time.Duration) {
		if err := kiosk.ClockChanged(context.WithoutCancel(ctx), db, now, by); err != nil {
			log.Error("clock change not recorded", logkey.Error, err)
		}
	})
	wall := kiosk.NewWall(clock)
	beats := []*task.Beat{task.NewBeat("door", 10*time.Second, time.Now()), task.NewBeat("store", 10*time.Second, time.Now())}
	portal := &kiosk.Portal{Link: client.NewLink(c.Door.Socket, log), Board: board, Beat: beats[0]}
	screen := &kiosk.Screen{}
	k := kiosk.New(kiosk.Options{
		Audit: kiosk.Watched(db, board), Door: portal, Clock: wall, DoorName: c.Door.Name, Unlock: c.Door.Unlock, Log: log,
		Watch: func(_ access.Event, d access.Decision) { screen.Decide(d, time.Now()) },
	})

	// Without models nobody is recognised, but PINs, the exit button's record and the schedule go
	// on: the condition says what is wrong. Posted pictures are looked at as far as it goes.
	eyes, err := openEyes(c, log)
	defer func() { err = errors.Join(err, eyes.close()) }()
	if err != nil && untilIdle {
		return err
	}
	board.Set(health.ModelsRefused, err != nil, text(err), time.Now())
	if err != nil {
		log.Error("nobody is recognised: the models cannot be used", logkey.Error, err)
	}

	if err := eyes.recogniseOlder(ctx, db, log); err != nil {
		return err
	}
	board.Set(health.LivenessWeak, c.Liveness.Level == config.LevelPassive, "level "+c.Liveness.Level, time.Now())
	people := &kiosk.People{DB: db, Galleries: eyes.galleries(), Kiosk: k, Log: log, Beat: beats[1]}
	if err := people.Load(ctx); err != nil {
		return err
	}
	rules := &kiosk.Rules{DB: db, Kiosk: k, Log: log, Changed: func(p *access.Policy, _ error) { eyes.want(p, c.Door.Name) }}
	if err := rules.Load(ctx); err != nil {
		return err
	}
	now := time.Now()
	err = db.EventsSince(ctx, now.Add(-access.MemorySpan), func(e access.Event) error {
		k.Remember(e)
		wall.Seen(e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remember who passed: %w", err)
	}

	if err := kiosk.Record(ctx, db, access.KindStarted); err != nil {
		return err
	}
	if _, err := db.SignHead(ctx, kiosk.Now(access.SourceSystem)); err != nil {
		return err
	}
	tasks := []task.Task{
		board, clock, portal, people, rules,
		conditions,
		&health.Watch{Board: board, Probes: probes(c, db, clock, eyes)},
		&kiosk.Standing{Kiosk: k, Door: portal, Lease: c.Door.MaxOn, Log: log},
		&kiosk.Upkeep{DB: db, Kiosk: k, Clock: wall, Log: log},
		kiosk.NewDoorEvents(db, c.Door.Socket, c.Door.Name, log),
		&local.Server{Path: filepath.Join(c.Home, local.SocketName), Board: board, Kiosk: k, Screen: screen, Log: log},
	}
	priority := &judge.Priority{}
	served := &api.Service{DB: db, Kiosk: k, Clock: wall, Site: c.Site.Name, Door: c.Door.Name, Log: log}
	if served.Fleet, err = openFleet(c); err != nil {
		return err
	}
	if eyes.open() {
		beat := task.NewBeat("camera", 5*time.Second, time.Now())
		lens := &kiosk.Lens{
			Camera: camera, Pipeline: eyes.watch, Kiosk: k, Log: log, UntilIdle: untilIdle, Beat: beat, Screen: screen,
			Board: board, Attend: priority.Attend,
		}
		beats = append(beats, beat)
		served.Camera = lens
		tasks = append(tasks, lens, &kiosk.Reextract{DB: db, Clock: wall, Open: eyes.another, Model: eyes.an.Model(), Log: log})
	}
	tasks = append(tasks, serveAPIs(served, c, eyes, priority, board)...)
	manager, err := task.Systemd()
	if err != nil {
		return err
	}
	group := task.Group{Log: log, Manager: manager, Tasks: tasks, Beats: beats}
	err = group.Run(ctx)
	if errors.Is(err, kiosk.ErrIdle) {
		err = nil
	}
	// The last records are written even when the daemon is told to stop.
	last := context.WithoutCancel(ctx)
	k.Close(last)
	err = errors.Join(err, kiosk.Record(last, db, access.KindStopped))
	_, signErr := db.SignHead(last, kiosk.Now(access.SourceSystem))
	return errors.Join(err, signErr)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// probes are what the health watch looks at.
func probes(c *config.Config, db *store.DB, clock *wallclock.Watch, eyes *eyes) []health.Probe {
	disk := &health.Disk{Dirs: []string{c.Home, filepath.Dir(c.Store.Path)}}
	heat := &health.Heat{Root: "/"}
	all := []health.Probe{disk.Probe(), heat.Probe(), health.Clock(func(now time.Time) (bool, string) {
		state, because := clock.State(now)
		return state == access.ClockSynced, because
	}), health.Licence(func(now time.Time) string {
		_, because := eyes.barred(now)
		return because
	})}
	if c.MQTT.URL != "" {
		queue := &health.Queue{Name: "events for the central site", Limit: time.Hour, Oldest: func(ctx context.Context) (time.Time, error) {
			at, _, err := db.OldestUnsent(ctx)
			return at, err
		}}
		all = append(all, queue.Probe())
	}
	return all
}

// eyes are the models and the pipeline that uses them. A nil *eyes sees nothing. One whose
// models cannot all be used has an engine and perhaps an identifier, for posted pictures, and
// nothing else.
type eyes struct {
	tenant string
	engine *load.Engine
	id     *pipeline.Identifier
	an     *pipeline.Analyser // of the camera
	turbo  *imgproc.Turbo
	level  liveness.Level
	watch  *pipeline.Pipeline
}

// openEyes opens what can be opened; the error says what cannot.
func openEyes(c *config.Config, log *slog.Logger) (*eyes, error) {
	level, err := liveness.ParseLevel(c.Liveness.Level)
	if err != nil {
		return nil, err
	}
	engine, err := load.OpenAny(c.Home, c.Models.Dir, 1)
	if err != nil {
		return nil, err
	}
	e := &eyes{tenant: c.Site.Tenant, engine: engine, level: level}
	if err := engine.Models.Missing(runtime.GOARCH); err != nil {
		return e, errors.Join(err, e.half(c.Models.Embedder))
	}
	if e.an, err = pipeline.Open(engine.Share, c.Models.Embedder); err != nil {
		return e, errors.Join(err, e.half(c.Models.Embedder))
	}
	// Optional: without the library MJPEG frames take some milliseconds longer.
	if turbo, err := imgproc.OpenTurbo(); err == nil {
		e.turbo = turbo
		e.an.UseTurbo(turbo)
	} else {
		log.Debug("no libturbojpeg", logkey.Error, err)
	}
	if e.id, err = kiosk.NewIdentifier(engine.Models.List(), e.an); err != nil {
		e.an.UseTurbo(nil)
		err = errors.Join(err, e.an.Close())
		e.an = nil
	}
	return e, err
}

// half makes the identifier of eyes that the camera cannot use, where there is an embedder.
func (e *eyes) half(embedder string) (err error) {
	parts, _ := pipeline.OpenParts(e.engine.Share, embedder) // what it lacks was reported
	if parts.Embeds() {
		e.id, err = kiosk.NewIdentifier(e.engine.Models.List(), parts)
	}
	return errors.Join(err, parts.Close())
}

// open reports whether the camera's pictures can be looked at.
func (e *eyes) open() bool { return e != nil && e.watch != nil }

// barred are the stages whose models the site may not use any more, and why in words.
func (e *eyes) barred(now time.Time) (stages pipeline.Stages, because string) {
	if e == nil {
		return 0, ""
	}
	list := e.engine.Models.List()
	embedder := ""
	if e.id != nil {
		embedder, _, _ = strings.Cut(e.id.Gallery.Model(), "@")
	}
	roles, because := list.Unlicensed(pipeline.Roles(list, embedder), e.tenant, now)
	for _, role := range roles {
		stages |= pipeline.StageOf(role)
	}
	return stages, because
}

// recogniseOlder adds those who are enrolled with models that were used before.
func (e *eyes) recogniseOlder(ctx context.Context, db *store.DB, log *slog.Logger) error {
	if e == nil || e.an == nil {
		return nil
	}
	enrolled, err := db.Models(ctx)
	if err != nil {
		return err
	}
	if err := kiosk.AddOlder(e.engine.Models.List(), e.an, e.id, e.engine.Share, enrolled); err != nil {
		log.ErrorContext(ctx, "templates of another model cannot be used: these people have to be enrolled again", logkey.Error, err)
	}
	e.watch, err = pipeline.New(e.an, e.id, pipeline.Options{Level: e.level})
	return err
}

// galleries are who is recognised, none for eyes that recognise nobody.
func (e *eyes) galleries() []*match.Gallery {
	if e == nil || e.id == nil {
		return nil
	}
	all := []*match.Gallery{e.id.Gallery}
	for _, r := range e.id.Older {
		all = append(all, r.Gallery)
	}
	return all
}

// want tells the pipeline what the rules of the door ask about.
func (e *eyes) want(p *access.Policy, door string) {
	if !e.open() {
		return
	}
	mask, helmet := p.Wants(door)
	e.watch.Want(pipeline.Wants{Mask: mask, Head: helmet})
}

// another is an Analyser like the one behind the camera.
func (e *eyes) another() (*pipeline.Analyser, error) {
	return pipeline.Open(e.engine.Share, e.an.Embedder())
}

func (e *eyes) close() error {
	if e == nil {
		return nil
	}
	var errs []error
	if e.an != nil {
		e.an.UseTurbo(nil)
		errs = append(errs, e.an.Close())
	}
	if e.turbo != nil {
		e.turbo.Close()
	}
	if e.engine != nil {
		errs = append(errs, e.engine.Close())
	}
	return errors.Join(errs...)
}

func openCamera(c *config.Config, board *health.Board, log *slog.Logger) (device.Camera, error) {
	if c.Camera.Driver == config.CameraReplay {
		return replay.Open(c.Camera.Path, replay.Options{
			Decode: decode, FPS: c.Camera.FPS, Hold: c.Camera.Hold, Loop: c.Camera.Loop, Exact: !c.Camera.Jitter,
		})
	}
	cam := v4l2.New(v4l2.Options{Device: c.Camera.Device, FPS: c.Camera.FPS})
	return v4l2.NewReopening(cam, func(n v4l2.Notice) {
		ids := map[v4l2.Condition]health.ID{v4l2.Lost: health.CameraLost, v4l2.Stalled: health.CameraStalled, v4l2.Frozen: health.CameraFrozen}
		if id, ok := ids[n.Condition]; ok {
			cause := text(n.Err)
			if n.Err != nil {
				cause = v4l2.Code(n.Err) + ": " + cause
			}
			board.Set(id, n.Raised, cause, time.Now())
		}
		log.Debug("camera condition", logkey.Kind, n.Condition.String(), logkey.On, n.Raised, logkey.Error, n.Err)
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
