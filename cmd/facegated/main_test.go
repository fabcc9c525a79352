package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"facegate/access"
	"facegate/door/client"
	"facegate/door/wire"
	"facegate/internal/programtest"
	"facegate/internal/sharedtest"
	"facegate/store"
)

// patience bounds every wait in these tests. It says nothing about speed.
const patience = 60 * time.Second

// programs is the directory of facegate, facegated and doord, as they are shipped.
var programs string

func TestMain(m *testing.M) {
	programtest.Run(m, func(dir string) { programs = dir }, "facegate", "facegated", "doord")
}

// An instance is a home directory with models, a replayed camera and a running doord.
type instance struct{ home string }

// newInstance plays rows of frames.csv at a level. The door unlocks for 200 ms.
func newInstance(t *testing.T, level, camera string, rows ...string) *instance {
	t.Helper()
	installed := sharedtest.Home(t)
	home, err := os.MkdirTemp("", "kiosk") // shorter than t.TempDir: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	for _, dir := range []string{"models", "runtime", "demo"} {
		if err := os.Symlink(filepath.Join(installed, dir), filepath.Join(home, dir)); err != nil {
			t.Fatal(err)
		}
	}
	i := &instance{home}
	i.write(t, "frames.csv", "file,seconds\n"+strings.Join(rows, "\n")+"\n")
	i.write(t, "facegate.toml", fmt.Sprintf("[camera]\ndriver = \"replay\"\npath = \"frames.csv\"\n%s\n[door]\ndriver = \"sim\"\nsim_log = \"log\"\nunlock = \"200ms\"\n[liveness]\nlevel = %q\n", camera, level))
	doord := i.start(t, nil, "doord", "--home", home)
	programtest.Until(t, "doord answers", func() bool {
		conn, err := client.Dial(t.Context(), filepath.Join(home, "doord.sock"), wire.Operator)
		return err == nil && conn.Close() == nil
	})
	t.Cleanup(func() { doord.end(t, syscall.SIGTERM) })
	return i
}

func (i *instance) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(i.home, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A process is a program that was started; it is killed when the test ends.
type process struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer // read it after the end
	ended  chan struct{}
}

func (i *instance) start(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(programs, program), args...), stderr: new(bytes.Buffer), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state tells
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// wait is the exit code, -1 for a signal's.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s goes on", p.cmd)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) end(t *testing.T, signal syscall.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	return p.wait(t)
}

// A manager is the service manager that hears what a daemon says.
type manager struct {
	said <-chan string
	path string
}

func newManager(t *testing.T, i *instance) *manager {
	t.Helper()
	path := filepath.Join(i.home, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = os.Remove(path)
	})
	// It is heard as it comes: a daemon that nobody listens to waits with the eleventh.
	said := make(chan string, 10_000)
	go func() {
		b := make([]byte, 256)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return // the test has ended
			}
			said <- string(b[:n])
		}
	}()
	return &manager{said, path}
}

func (m *manager) env() string { return "NOTIFY_SOCKET=" + m.path }

// hear waits until the daemon has said a state n times.
func (m *manager) hear(t *testing.T, state string, n int) {
	t.Helper()
	enough := time.After(patience)
	for n > 0 {
		select {
		case s := <-m.said:
			if s == state {
				n--
			}
		case <-enough:
			t.Fatalf("waiting for %s", state)
		}
	}
}

// trail is every event of a chain that holds.
func (i *instance) trail(t *testing.T) []access.Event {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(i.home, "facegate.db"), KeyFile: filepath.Join(i.home, "store.key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.VerifyEvents(ctx); err != nil {
		t.Error(err)
	}
	all, err := db.Events(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// decided are the decisions of a trail, as words.
func decided(all []access.Event) []string {
	var out []string
	for _, e := range all {
		switch e.Kind {
		case access.KindGranted, access.KindDenied, access.KindFaceRefused:
			out = append(out, strings.Join(strings.Fields(fmt.Sprint(e.Kind, " ", e.Person, " ", e.Reason)), " "))
		}
	}
	return out
}

func count(all []access.Event, kind access.Kind) (n int) {
	for _, e := range all {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// pulses is how often the relay was energised.
func (i *instance) pulses(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(i.home, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), `"line":"relay","on":true`)
}

// portrait is a picture of the demonstration as frames.csv names it.
func portrait(t *testing.T) string {
	t.Helper()
	const name = "demo/astronaut.png"
	if _, err := os.Stat(filepath.Join(sharedtest.Home(t), name)); err != nil {
		t.Skip("the portraits of the demonstration are not installed")
	}
	return name
}

func TestAnEmptySceneDecidesNothing(t *testing.T) {
	t.Parallel()
	i := newInstance(t, "depth", "", ",1")
	m := newManager(t, i)
	p := i.start(t, []string{m.env()}, "facegated", "--home", i.home, "--until-idle")
	m.hear(t, "READY=1", 1)
	m.hear(t, "STOPPING=1", 1)
	if code := p.wait(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.stderr)
	}
	all := i.trail(t)
	if got := decided(all); len(got) > 0 {
		t.Errorf("decisions on nobody: %v", got)
	}
	if len(all) < 2 || all[0].Kind != access.KindStarted || all[len(all)-1].Kind != access.KindStopped {
		t.Errorf("got %v, want a trail from start to stop", all)
	}
	if n := i.pulses(t); n != 0 {
		t.Errorf("the relay moved %d times", n)
	}
}

// The main job from end to end: a visit of a stranger, then, once enrolled, of somebody known.
func TestAVisit(t *testing.T) {
	t.Parallel()
	face := portrait(t)
	i := newInstance(t, "passive", "", ",1", face+",3", ",4") // long enough behind it for the door's record to come
	watch := func(want ...string) []access.Event {
		t.Helper()
		p := i.start(t, nil, "facegated", "--home", i.home, "--until-idle")
		if code := p.wait(t); code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.stderr)
		}
		all := i.trail(t)
		if got := decided(all); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v\n%s", got, want, p.stderr)
		}
		return all
	}
	watch("access.denied unknown_person")
	if n := i.pulses(t); n != 0 {
		t.Fatalf("the relay moved %d times for a stranger", n)
	}
	for _, args := range [][]string{{"person", "add", "--id", "eileen", "--name", "Eileen"}, {"enrol", "eileen", "--photo", filepath.Join(i.home, face), "--consent-by", "a test"}} {
		if p := i.start(t, nil, "facegate", append([]string{"--home", i.home}, args...)...); p.wait(t) != 0 {
			t.Fatalf("%v: %s", args, p.stderr)
		}
	}
	all := watch("access.denied unknown_person", "access.granted eileen")
	if n := i.pulses(t); n != 1 {
		t.Errorf("the relay moved %d times for one grant", n)
	}
	if n := count(all, access.KindDoorUnlocked); n != 1 {
		t.Errorf("%d events of an unlocked door, want 1", n)
	}
}

// Who enrols beside a running daemon is let in by it.
func TestEnrolmentBesideTheDaemon(t *testing.T) {
	t.Parallel()
	face := portrait(t)
	i := newInstance(t, "passive", "loop = true", face+",2", ",1.5")
	p := i.start(t, nil, "facegated", "--home", i.home)
	programtest.Until(t, "the stranger is denied", func() bool {
		_, err := os.Stat(filepath.Join(i.home, "facegate.db"))
		return err == nil && slices.Contains(decided(i.trail(t)), "access.denied unknown_person")
	})
	for _, args := range [][]string{{"person", "add", "--id", "eileen", "--name", "Eileen"}, {"enrol", "eileen", "--photo", filepath.Join(i.home, face), "--consent-by", "a test"}} {
		if p := i.start(t, nil, "facegate", append([]string{"--home", i.home}, args...)...); p.wait(t) != 0 {
			t.Fatalf("%v: %s", args, p.stderr)
		}
	}
	programtest.Until(t, "eileen is let in", func() bool { return slices.Contains(decided(i.trail(t)), "access.granted eileen") })
	programtest.Until(t, "the relay moves", func() bool { return i.pulses(t) > 0 })
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.stderr)
	}
}

// Models that cannot be used keep everybody out by face, as a condition that says so; the door
// and its record go on.
func TestModelsThatAreRefused(t *testing.T) {
	t.Parallel()
	i := newInstance(t, "depth", "loop = true", ",1")
	for _, dir := range []string{"models", "runtime"} {
		if err := os.Remove(filepath.Join(i.home, dir)); err != nil { // a link
			t.Fatal(err)
		}
	}
	p := i.start(t, nil, "facegated", "--home", i.home)
	programtest.Until(t, "the condition is raised", func() bool {
		out, err := exec.Command(filepath.Join(programs, "facegate"), "--home", i.home, "--json", "health").Output()
		return err != nil && strings.Contains(string(out), "models_refused") // exit code 1: something is wrong
	})
	press := i.start(t, nil, "facegate", "--home", i.home, "door", "sim", "rex", "pulse")
	if code := press.wait(t); code != 0 {
		t.Fatalf("%s", press.stderr)
	}
	programtest.Until(t, "the exit button is recorded", func() bool { return count(i.trail(t), access.KindDoorREX) == 1 })
	programtest.Until(t, "the condition is recorded", func() bool { return count(i.trail(t), access.KindHealthRaised) > 0 })
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.stderr)
	}
}

func TestOneDaemonAStore(t *testing.T) {
	t.Parallel()
	i := newInstance(t, "depth", "loop = true", ",1")
	m := newManager(t, i)
	first := i.start(t, []string{m.env()}, "facegated", "--home", i.home)
	m.hear(t, "READY=1", 1)
	second := i.start(t, nil, "facegated", "--home", i.home)
	if code := second.wait(t); code != 3 {
		t.Errorf("the second exits with %d, want 3", code)
	}
	if says := second.stderr.String(); !strings.Contains(says, "another facegated") && !strings.Contains(says, "in use") {
		t.Errorf("the second says %q, want who has the store", says)
	}
	if code := first.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the first exits with %d after SIGTERM\n%s", code, first.stderr)
	}
	all := i.trail(t)
	if s, e := count(all, access.KindStarted), count(all, access.KindStopped); s != 1 || e != 1 {
		t.Errorf("%d starts and %d stops are recorded, want one of each", s, e)
	}
}

// Somebody stands before the lens, not decided on yet, when the daemon is told to stop: the
// visit is in the trail.
func TestStoppedDuringAVisit(t *testing.T) {
	t.Parallel()
	face := portrait(t)
	// The manager's watchdog is fed every 100 ms, which tells how time goes by.
	for fed := 15; ; fed += 15 {
		i := newInstance(t, "depth", "", face+",60")
		m := newManager(t, i)
		p := i.start(t, []string{m.env(), "WATCHDOG_USEC=300000"}, "facegated", "--home", i.home)
		m.hear(t, "READY=1", 1)
		m.hear(t, "WATCHDOG=1", fed)
		if code := p.end(t, syscall.SIGTERM); code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.stderr)
		}
		got := decided(i.trail(t))
		if len(got) == 0 && fed < 60 {
			continue // a machine so slow that hardly a frame was seen
		}
		if want := []string{"access.denied spoof"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v: a face that has not shown that it is alive", got, want)
		}
		return
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	i := &instance{home}
	i.write(t, "facegate.toml", "[camera]\nfps = 15\ndrivr = \"replay\"\n")
	p := i.start(t, nil, "facegated", "--home", home)
	if code := p.wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if says := p.stderr.String(); !strings.Contains(says, "facegate.toml: line 3, column 1: camera.drivr: unknown key") {
		t.Errorf("got %q, want the place in the file", says)
	}
	if _, err := os.Stat(filepath.Join(home, "facegate.db")); err == nil {
		t.Error("a store was made all the same")
	}
}
