package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"facegate/door"
	"facegate/door/client"
	"facegate/door/wire"
	"facegate/internal/programtest"
)

// patience bounds every wait in these tests. It says nothing about speed: it is how long a
// test may hang before it fails.
const patience = 30 * time.Second

// program is the doord that TestMain has built, without cgo as it is shipped.
var program string

// These make this test binary a client of the doord at a socket, for tests that kill and stop
// it: asHelper names the socket, helperDoes what to do.
const (
	asHelper   = "DOORD_TEST_HELPER_SOCKET"
	helperDoes = "DOORD_TEST_HELPER_DOES"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(asHelper); socket != "" {
		os.Exit(helper(socket, os.Getenv(helperDoes)))
	}
	programtest.Run(m, func(dir string) { program = filepath.Join(dir, "doord") }, "doord")
}

// What a helper does. Whatever that is, it writes a line when it has begun.
const (
	unlocking  = "unlock"   // for a minute, once
	scheduling = "schedule" // unlocked for a minute, again and again; a line is the time before each request
	collecting = "collect"  // events, into the file that is named behind a space
)

func helper(socket, does string) int {
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)
	if path, ok := strings.CutPrefix(does, collecting+" "); ok {
		fmt.Println("collecting")
		b := book{path: path}
		fmt.Println(b.collector(socket).Run(ctx))
		return 1
	}
	link := client.NewLink(socket, quiet)
	go func() { _ = link.Run(ctx) }()
	<-link.Ready()
	for does == scheduling {
		fmt.Println(time.Now().UnixNano())
		if err := link.Schedule(ctx, door.ModeUnlocked, time.Minute, time.Time{}, "office hours"); err != nil {
			fmt.Println(err)
			return 1
		}
		time.Sleep(50 * time.Millisecond) // a helper's own pace, no wait of a test
	}
	d, err := link.Unlock(ctx, time.Minute, "helper")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("unlocked for", d)
	select {}
}

// A rig is a running doord with a simulated door.
type rig struct {
	home, socket string
	cmd          *exec.Cmd
	ended        chan error
	stderr       *strings.Builder // read it after ended
}

// start runs doord on a fresh home directory; keys are lines of [door].
func start(t *testing.T, keys ...string) *rig {
	t.Helper()
	r := newRig(t, keys...)
	r.run(t)
	return r
}

func newRig(t *testing.T, keys ...string) *rig {
	t.Helper()
	home, err := os.MkdirTemp("", "door") // shorter than t.TempDir: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	text := "[door]\ndriver = \"sim\"\nsim_log = \"log\"\n" + strings.Join(keys, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(home, "facegate.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &rig{home: home, socket: filepath.Join(home, "doord.sock")}
}

// run starts doord and waits until it answers.
func (r *rig) run(t *testing.T, env ...string) {
	t.Helper()
	r.cmd = exec.Command(program, "--home", r.home)
	r.cmd.Env = append(os.Environ(), env...)
	r.stderr = &strings.Builder{}
	r.cmd.Stderr = r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.cmd.Wait() }()
	r.ended = ended
	t.Cleanup(func() { r.end(t, syscall.SIGKILL) })
	programtest.Until(t, "doord answers", func() bool {
		conn, err := client.Dial(t.Context(), r.socket, wire.Operator)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// end sends a signal and waits for the end; it returns the exit status, -1 for a signal.
func (r *rig) end(t *testing.T, signal syscall.Signal) int {
	t.Helper()
	if r.ended == nil {
		return 0
	}
	if err := r.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("doord goes on after %v", signal)
	}
	r.ended = nil
	return r.cmd.ProcessState.ExitCode()
}

// dial connects in a role until the test ends.
func (r *rig) dial(t *testing.T, role string) *client.Conn {
	t.Helper()
	conn, err := client.Dial(t.Context(), r.socket, role)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// help starts a process that does one of the things above. It returns after the first line,
// with what the process writes.
func (r *rig) help(t *testing.T, does string) (*os.Process, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), asHelper+"="+r.socket, helperDoes+"="+does)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	says := bufio.NewReader(out)
	line, err := says.ReadString('\n')
	if err != nil || does == unlocking && !strings.HasPrefix(line, "unlocked") {
		t.Fatalf("helper says %q, %v", line, err)
	}
	return cmd.Process, says
}

// late is how much later than asked for the relay may move.
const late = 200 * time.Millisecond

// inTime tries up to five times whether something takes as long as it should, and at most late
// more. A busy machine may be later once, or note an edge when it has been there for a while.
func inTime(t *testing.T, want time.Duration, try func() time.Duration) {
	t.Helper()
	var all []time.Duration
	for range 5 {
		d := try()
		if d >= want && d <= want+late {
			return
		}
		all = append(all, d)
	}
	t.Errorf("took %v, never %v and at most %v more", all, want, late)
}

// An edge is a line of the simulated door's log.
type edge struct {
	T    int64  `json:"t_ns"`
	Line string `json:"line"`
	On   bool   `json:"on"`
	Why  string `json:"why"`
}

func (r *rig) edges(t *testing.T, line string) []edge {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.home, "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []edge
	for l := range strings.Lines(string(text)) {
		var e edge
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("log line %q: %v", l, err)
		}
		if e.Line == line {
			out = append(out, e)
		}
	}
	return out
}

// relay waits until the relay has moved n times.
func (r *rig) relay(t *testing.T, n int) []edge {
	t.Helper()
	var got []edge
	programtest.Until(t, fmt.Sprintf("the relay moves %d times", n), func() bool {
		got = r.edges(t, "relay")
		return len(got) >= n
	})
	return got
}
