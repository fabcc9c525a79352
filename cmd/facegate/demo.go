package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/device/replay"
	"facegate/internal/config"
	"facegate/kiosk"
	"facegate/models"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness/card"
)

// Demo plays the main job with the real programs: a replayed camera, the simulated door, a
// store of its own that is thrown away.

// The people of the demonstration are two public-domain portraits.
const (
	astronaut = "astronaut" // Eileen Collins, NASA
	admiral   = "hopper"    // Grace Hopper, US Navy: a scan of an old print
)

// An act is one replay at one liveness level, and what must come of it.
type act struct {
	title, level, path string
	before             func(context.Context) error // enrolments
	want               []expected
}

// An expected decision, and why it is the right one.
type expected struct {
	kind    access.Kind
	reasons []access.Reason // any of them
	person  string
	who     string
	because string
}

func demo(ctx context.Context, e *env, args []string) error {
	fs := e.flags("demo")
	oneshot := fs.Bool("oneshot", false, "play once and exit 0 if every decision is the expected one")
	camera := fs.String("camera", "", "use this camera instead of pictures")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("demo takes no %q", rest[0])
	}
	d, err := newDemonstration(e)
	if err != nil {
		return err
	}
	defer d.clean()
	if err := d.configure(config.LevelPassive, ""); err != nil {
		return err
	}
	doord, err := d.start(ctx, "doord", "--home", d.home)
	if err != nil {
		return err
	}
	defer stopProcess(doord)
	switch {
	case *camera != "":
		return d.live(ctx, *camera)
	case *oneshot:
		return d.play(ctx)
	}
	if err := d.play(ctx); err != nil {
		return err
	}
	return d.loop(ctx)
}

// A demonstration is an instance in a directory of its own.
type demonstration struct {
	e        *env
	home     string
	pictures map[string]string
	sight    *sight
}

func newDemonstration(e *env) (*demonstration, error) {
	c, err := e.config()
	if err != nil {
		return nil, err
	}
	set, err := models.OpenDir(c.Home, c.Models.Dir)
	if err != nil {
		return nil, err
	}
	d := &demonstration{e: e, pictures: map[string]string{}}
	for _, who := range []string{astronaut, admiral} {
		path, err := set.Demo(who)
		if err != nil && who == astronaut {
			return nil, err
		}
		if err == nil {
			d.pictures[who] = path
		}
	}
	if d.sight, err = e.sight(); err != nil {
		return nil, err
	}
	if d.home, err = os.MkdirTemp("", "facegate-demo-"); err != nil {
		return nil, errors.Join(err, d.sight.Close())
	}
	for _, dir := range []string{"models", "runtime"} {
		if err := os.Symlink(filepath.Join(c.Home, dir), filepath.Join(d.home, dir)); err != nil {
			d.clean()
			return nil, err
		}
	}
	return d, nil
}

func (d *demonstration) clean() {
	// The directory is temporary; what cannot be removed the system clears away.
	_ = os.RemoveAll(d.home)
	_ = d.sight.Close()
}

// play shows the acts and checks what came of them.
func (d *demonstration) play(ctx context.Context) error {
	acts, err := d.acts()
	if err != nil {
		return err
	}
	failed := false
	for _, a := range acts {
		ok, err := d.act(ctx, a)
		if err != nil {
			return err
		}
		failed = failed || !ok
	}
	pulses, err := d.pulses()
	if err != nil {
		return err
	}
	fmt.Fprintf(d.e.stdout, "\nThe relay moved %d time(s); the door's log is what a lock would have seen.\n", pulses)
	if failed || pulses != 1 {
		fmt.Fprintln(d.e.stdout, "This is not what the demonstration should show.")
		return errNo
	}
	fmt.Fprintln(d.e.stdout, "Every decision was the expected one, and the audit trail holds.")
	return nil
}

func (d *demonstration) acts() ([]act, error) {
	still, err := d.frames("stranger.csv", d.pictures[astronaut], 3)
	if err != nil {
		return nil, err
	}
	show := []any{d.pictures[astronaut], 3, "", 2}
	visit := []expected{{
		kind: access.KindGranted, person: astronaut, who: "the astronaut",
		because: "enrolled, and alive as far as level passive can tell: one picture looks like one living face, which is why passive is called weak",
	}}
	first := act{
		title: "A door that does not know the astronaut yet (liveness level: passive)", level: config.LevelPassive, path: still,
		want: []expected{{kind: access.KindDenied, reasons: []access.Reason{access.ReasonUnknownPerson}, who: "the astronaut", because: "nobody enrolled is alike"}},
	}
	if p, ok := d.pictures[admiral]; ok {
		first.before = func(ctx context.Context) error { return d.enrol(ctx, admiral, p) }
		show = append(show, p, 3)
		visit = append(visit, expected{
			kind: access.KindDenied, reasons: []access.Reason{access.ReasonSpoof}, who: "a photograph of the admiral",
			because: "she is enrolled, but this is the scan of an old print and looks like one",
		})
	}
	visits, err := d.frames("visits.csv", show...)
	if err != nil {
		return nil, err
	}
	turning, err := d.turningCard()
	if err != nil {
		return nil, err
	}
	return []act{
		first,
		{
			title: "The astronaut is enrolled and comes to the door, then nobody, then a photograph (level: passive)", level: config.LevelPassive, path: visits,
			before: func(ctx context.Context) error { return d.enrol(ctx, astronaut, d.pictures[astronaut]) }, want: visit,
		},
		{
			title: "Somebody turns the astronaut's portrait in their hand (level: depth, the default)", level: config.LevelDepth, path: turning,
			want: []expected{{
				kind: access.KindDenied, reasons: []access.Reason{access.ReasonSpoof}, who: "a card that shows the astronaut",
				because: "a head that turns shows depth, a card does not; and as it turns it looks less and less like a face to the passive check",
			}},
		},
	}, nil
}

// frames writes a frames.csv of files and seconds.
func (d *demonstration) frames(name string, show ...any) (string, error) {
	var b strings.Builder
	b.WriteString("file,seconds\n")
	for i := 0; i+1 < len(show); i += 2 {
		fmt.Fprintf(&b, "%v,%v\n", show[i], show[i+1])
	}
	path := filepath.Join(d.home, name)
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// turningCard records the portrait as a card that turns in the hand.
func (d *demonstration) turningCard() (string, error) {
	img, err := picture(d.pictures[astronaut])
	if err != nil {
		return "", err
	}
	a, err := d.sight.an.Picture(img, 0)
	if err != nil {
		return "", err
	}
	held, err := card.New(img, a.Mesh.Outline(), 1280, 720, .45)
	if err != nil {
		return "", err
	}
	path := filepath.Join(d.home, "card.mjpeg")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // closed below
	var frame imgproc.Image
	const fps, seconds = 15, 6
	for i := range fps * seconds {
		if err := held.Render(&frame, card.InHand(time.Second*time.Duration(i)/fps)); err != nil {
			return "", err
		}
		out := device.Frame{Width: frame.W, Height: frame.H, Stride: frame.Stride, Format: device.RGB24, Data: frame.Pix}
		if err := replay.Record(f, &out); err != nil {
			return "", err
		}
	}
	return path, f.Close()
}

func (d *demonstration) enrol(ctx context.Context, id, file string) error {
	e := *d.e
	e.home = d.home
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // every change is committed
	act := kiosk.Now(access.SourceAdmin("demo"))
	if err := kiosk.AddPerson(ctx, db, act, access.Person{ID: id, Name: id}); err != nil {
		return err
	}
	img, err := picture(file)
	if err != nil {
		return err
	}
	en := kiosk.Enroller{DB: db, Analyser: d.sight.an, Identifier: d.sight.id}
	if err := en.Consent(ctx, act, id, "public-domain portrait"); err != nil {
		return err
	}
	_, err = en.Enrol(ctx, act, id, img, false)
	return err
}

func (d *demonstration) configure(level, camera string) error {
	text := fmt.Sprintf("[site]\nname = \"demonstration\"\n[door]\ndriver = \"sim\"\nunlock = \"1s\"\n[liveness]\nlevel = %q\n[camera]\n%s", level, camera)
	return os.WriteFile(filepath.Join(d.home, config.FileName), []byte(text), 0o600)
}

// act plays one act and prints what was decided and why.
func (d *demonstration) act(ctx context.Context, a act) (bool, error) {
	fmt.Fprintf(d.e.stdout, "\n%s\n", a.title)
	if a.before != nil {
		if err := a.before(ctx); err != nil {
			return false, err
		}
	}
	if err := d.configure(a.level, fmt.Sprintf("driver = \"replay\"\npath = %q\n", a.path)); err != nil {
		return false, err
	}
	since, err := d.lastEvent(ctx)
	if err != nil {
		return false, err
	}
	p, err := d.start(ctx, "facegated", "--home", d.home, "--until-idle")
	if err != nil {
		return false, err
	}
	if err := p.Wait(); err != nil {
		return false, fmt.Errorf("facegated: %w\n%s", err, p.Stderr)
	}
	got, err := d.decisions(ctx, since)
	if err != nil {
		return false, err
	}
	ok := len(got) == len(a.want)
	for i, ev := range got {
		right := i < len(a.want) && a.want[i].is(ev)
		ok = ok && right
		d.tell(a.want, i, ev, right)
	}
	if len(got) < len(a.want) {
		fmt.Fprintf(d.e.stdout, "  missing: %d decision(s)\n", len(a.want)-len(got))
	}
	return ok, nil
}

func (x expected) is(ev access.Event) bool {
	return ev.Kind == x.kind && ev.Person == x.person && (len(x.reasons) == 0 && ev.Reason == "" || slices.Contains(x.reasons, ev.Reason))
}

func (d *demonstration) tell(want []expected, i int, ev access.Event, right bool) {
	facts := []string{strings.TrimPrefix(string(ev.Kind), "access.")}
	if ev.Reason != "" {
		facts = append(facts, string(ev.Reason))
	}
	if part := ev.Data["liveness"]; part != "" {
		facts = append(facts, "by the "+part+" check")
	}
	for _, s := range []struct {
		name string
		v    *float64
	}{{"match", ev.Scores.Match}, {"liveness", ev.Scores.Liveness}} {
		if s.v != nil {
			facts = append(facts, fmt.Sprintf("%s %.2f", s.name, *s.v))
		}
	}
	what := strings.Join(facts, ", ")
	if !right {
		fmt.Fprintf(d.e.stdout, "  unexpected: %s\n", what)
		return
	}
	fmt.Fprintf(d.e.stdout, "  %s: %s\n      %s\n", want[i].who, what, want[i].because)
}

func (d *demonstration) lastEvent(ctx context.Context) (uint64, error) {
	e := *d.e
	e.home = d.home
	db, err := e.store(ctx)
	if err != nil {
		return 0, err
	}
	defer db.Close() //nolint:errcheck // only read
	return db.LastEvent(ctx)
}

// decisions are the events of the act that decided on somebody. The trail is verified too.
func (d *demonstration) decisions(ctx context.Context, since uint64) ([]access.Event, error) {
	e := *d.e
	e.home = d.home
	db, err := e.store(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // only read
	if _, err := db.VerifyEvents(ctx); err != nil {
		return nil, err
	}
	all, err := db.Events(ctx, since, 1000)
	return slices.DeleteFunc(all, func(ev access.Event) bool {
		return ev.Kind != access.KindGranted && ev.Kind != access.KindDenied && ev.Kind != access.KindFaceRefused
	}), err
}

// pulses counts the times the relay was energised.
func (d *demonstration) pulses() (int, error) {
	text, err := os.ReadFile(config.Default(d.home).Door.SimLog)
	if err != nil {
		return 0, err
	}
	return strings.Count(string(text), `"line":"relay","on":true`), nil
}

// loop plays the visits over and over until it is interrupted.
func (d *demonstration) loop(ctx context.Context) error {
	path := filepath.Join(d.home, "visits.csv")
	if err := d.configure(config.LevelPassive, fmt.Sprintf("driver = \"replay\"\npath = %q\nloop = true\n", path)); err != nil {
		return err
	}
	fmt.Fprintln(d.e.stdout, "\nThe visits go on until Ctrl-C. Try the door beside it:")
	fmt.Fprintf(d.e.stdout, "  facegate --home %s door sim rex pulse\n  facegate --home %s events --follow\n", d.home, d.home)
	return d.serve(ctx)
}

// live runs the kiosk on a real camera.
func (d *demonstration) live(ctx context.Context, camera string) error {
	if err := d.configure(config.LevelDepth, fmt.Sprintf("driver = \"v4l2\"\ndevice = %q\n", camera)); err != nil {
		return err
	}
	fmt.Fprintf(d.e.stdout, "A kiosk on %s, liveness level depth. Ctrl-C ends it. Enrol yourself beside it:\n", camera)
	fmt.Fprintf(d.e.stdout, "  facegate --home %s person add --id me --name Me\n  facegate --home %s enrol me --photo PICTURE.jpg --consent-by me\n", d.home, d.home)
	return d.serve(ctx)
}

// serve runs facegated and prints its decisions until it is interrupted.
func (d *demonstration) serve(ctx context.Context) error {
	e := *d.e
	e.home = d.home
	since, err := d.lastEvent(ctx)
	if err != nil {
		return err
	}
	p, err := d.start(ctx, "facegated", "--home", d.home)
	if err != nil {
		return err
	}
	defer stopProcess(p)
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	for ev, err := range db.Follow(ctx, since, 250*time.Millisecond) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if err := e.printEvent(ev); err != nil {
			return err
		}
	}
	return nil
}

// start runs one of the programs that lie beside this one.
func (d *demonstration) start(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(self), program)
	if _, err := os.Stat(path); err != nil {
		return nil, hinted{err, "make build puts facegate, facegated and doord into one directory"}
	}
	p := exec.CommandContext(ctx, path, args...) //nolint:gosec // a program of ours, no shell
	p.Stdout, p.Stderr = io.Discard, new(strings.Builder)
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	p.WaitDelay = 5 * time.Second
	if err := p.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// stopProcess ends a program and waits for it; how it ends no longer matters.
func stopProcess(p *exec.Cmd) {
	_ = p.Process.Signal(syscall.SIGTERM)
	_ = p.Wait()
}
