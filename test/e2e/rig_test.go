// Package e2e tests the programs as they are shipped: facegated before a replayed camera, doord
// with a simulated door, and facegate as the operator uses it. It looks at nothing but what they
// leave behind: exit codes, the audit trail and the log of the simulated door.
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facegate/internal/programtest"
	"facegate/internal/sharedtest"
)

// patience bounds every wait. It says nothing about speed: it is how long a test may hang
// before it fails.
const patience = time.Minute

// programs is the directory that TestMain has built the programs into.
var programs string //nolint:gochecknoglobals // set once, before any test

func TestMain(m *testing.M) {
	programtest.Run(m, func(dir string) { programs = dir }, "facegate", "facegated", "doord")
}

// A site is a home directory with people enrolled and the programs that run on it.
type site struct {
	home, faces string
	loop        bool // the camera starts again at its end
}

// newSite makes a home directory that borrows models and runtime; the test is skipped where
// they or the pictures are absent.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{faces: filepath.Join(sharedtest.Dir(t, "faces"), "spoof_replay_attack")}
	installed := sharedtest.Home(t)
	var err error
	if s.home, err = os.MkdirTemp("", "site"); err != nil { // shorter than t.TempDir: a socket's path is bounded
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.home) })
	for _, dir := range []string{"models", "runtime"} {
		if err := os.Symlink(filepath.Join(installed, dir), filepath.Join(s.home, dir)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A scene is a picture of the set shown for some seconds; without one nobody is there.
type scene struct {
	file    string
	seconds float64
}

// configure writes what the camera shows and how the door is set; door are lines of [door].
func (s *site) configure(t testing.TB, level string, scenes []scene, door ...string) {
	t.Helper()
	var list strings.Builder
	list.WriteString("file,seconds\n")
	for _, sc := range scenes {
		file := sc.file
		if file != "" {
			file = filepath.Join(s.faces, file)
		}
		fmt.Fprintf(&list, "%s,%v\n", file, sc.seconds)
	}
	s.write(t, "frames.csv", list.String())
	s.write(t, "facegate.toml", fmt.Sprintf(
		"[camera]\ndriver = \"replay\"\npath = \"frames.csv\"\nloop = %v\n[liveness]\nlevel = %q\n[door]\ndriver = \"sim\"\nsim_log = \"door.log\"\n%s\n",
		s.loop, level, strings.Join(door, "\n")))
}

func (s *site) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.home, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run is one facegate command; an exit code other than 0 fails the test.
func (s *site) run(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "facegate"), append([]string{"--home", s.home, "--json"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("facegate %v: %v\n%s%s", args, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

// input is run with something on standard input.
func (s *site) input(t *testing.T, stdin string, args ...string) {
	t.Helper()
	if !s.try(t, stdin, args...) {
		t.Fatalf("facegate %v: not done", args)
	}
}

// try is one facegate command that may fail; it reports whether it did not.
func (s *site) try(t *testing.T, stdin string, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "facegate"), append([]string{"--home", s.home, "--json"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	return cmd.Run() == nil
}

// enrol makes clients of the set people, each with one picture.
func (s *site) enrol(t testing.TB, clients ...string) {
	t.Helper()
	for _, c := range clients {
		s.run(t, "person", "add", "--id", c, "--name", c)
		s.run(t, "enrol", c, "--photo", filepath.Join(s.faces, live(c, "controlled_1")), "--consent-by", "test")
	}
}

// live is a picture of a client at the door.
func live(client, which string) string {
	return "live/client" + client + "_session01_webcam_authenticate_" + which + ".jpg"
}

// A daemon is a running program.
type daemon struct {
	name  string
	cmd   *exec.Cmd
	log   *logBuffer
	ended chan struct{}
}

// A logBuffer keeps what a daemon logs, and may be read meanwhile.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs a daemon until the test ends.
func (s *site) start(t testing.TB, name string, args ...string) *daemon {
	t.Helper()
	d := &daemon{name: name, log: new(logBuffer), ended: make(chan struct{})}
	d.cmd = exec.Command(filepath.Join(programs, name), append([]string{"--home", s.home}, args...)...) //nolint:noctx // ended by the test
	d.cmd.Stderr = d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = d.cmd.Wait() // the state says how it ended
		close(d.ended)
	})
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // it may have ended
		wg.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, d.log)
		}
	})
	return d
}

// doord starts the door and waits until it answers.
func (s *site) doord(t testing.TB) *daemon {
	t.Helper()
	d := s.start(t, "doord")
	programtest.Until(t, "doord listens", func() bool {
		cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "facegate"), "--home", s.home, "door", "status")
		return cmd.Run() == nil
	})
	return d
}

// connected reports whether doord has a controller.
func (s *site) connected(t *testing.T) bool {
	t.Helper()
	var got struct {
		Controller bool `json:"controller"`
	}
	if err := json.Unmarshal(s.run(t, "door", "status"), &got); err != nil {
		t.Fatal(err)
	}
	return got.Controller
}

func (d *daemon) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", d.name, err)
	}
}

// hurry gives another niceness to the daemon's threads that stand behind everything else on the
// machine, where the system lets us: on a busy one they are given next to nothing, and take longer
// than a picture may wait, or a door.
func (d *daemon) hurry(t *testing.T, nice int) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		if is, err := syscall.Getpriority(syscall.PRIO_PROCESS, id); err == nil && is < 20 { // it is told as 20 less the niceness
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, nice) // we may not, or it has ended
		}
	}
}

// end waits for the end and returns the exit code, -1 for a signal.
func (d *daemon) end(t *testing.T) int {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(2 * patience):
		t.Fatalf("%s goes on", d.name)
	}
	return d.cmd.ProcessState.ExitCode()
}

// stop tells the daemon to end.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	d.signal(t, syscall.SIGTERM)
	if code := d.end(t); code != 0 {
		t.Errorf("%s: exit code %d", d.name, code)
	}
}

// An event is one line of facegate events --json.
type event struct {
	Seq    uint64            `json:"seq"`
	Kind   string            `json:"kind"`
	Person string            `json:"person"`
	Reason string            `json:"reason"`
	Source string            `json:"source"`
	Data   map[string]string `json:"data"`
}

// events are the records after one, of the given kinds; all kinds where none is given.
func (s *site) events(t testing.TB, since uint64, kinds ...string) []event {
	t.Helper()
	var out []event
	for dec := json.NewDecoder(bytes.NewReader(s.run(t, "events", "--since", fmt.Sprint(since)))); dec.More(); {
		var e event
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
		for _, k := range kinds {
			if e.Kind == k {
				out = append(out, e)
			}
		}
		if len(kinds) == 0 {
			out = append(out, e)
		}
	}
	return out
}

// decisions are the records of people at the door.
func (s *site) decisions(t *testing.T, since uint64) []event {
	t.Helper()
	return s.events(t, since, "access.granted", "access.denied", "face.refused")
}

// last is the number of the last record.
func (s *site) last(t *testing.T) uint64 {
	t.Helper()
	all := s.events(t, 0)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Seq
}

// verify checks the chain of records.
func (s *site) verify(t testing.TB) {
	t.Helper()
	var got struct {
		OK bool `json:"ok"`
	}
	if err := json.Unmarshal(s.run(t, "events", "verify"), &got); err != nil || !got.OK {
		t.Errorf("events verify: ok %v, %v", got.OK, err)
	}
}

// An edge is a line of the simulated door's log.
type edge struct {
	T    int64  `json:"t_ns"`
	Line string `json:"line"`
	On   bool   `json:"on"`
	Why  string `json:"why"`
}

// relay are the edges of the relay so far.
func (s *site) relay(t *testing.T) []edge {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.home, "door.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var out []edge
	for l := range strings.Lines(string(text)) {
		var e edge
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("door log line %q: %v", l, err)
		}
		if e.Line == "relay" {
			out = append(out, e)
		}
	}
	return out
}
