package main

import (
	"context"
	"errors"
	"io/fs"
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

	"facegate/door"
	"facegate/door/client"
	"facegate/door/wire"
	"facegate/internal/programtest"
)

var quiet = slog.New(slog.DiscardHandler)

// length is how long the relay was energised between two edges of the log.
func length(t *testing.T, on, off edge) time.Duration {
	t.Helper()
	if !on.On || off.On {
		t.Fatalf("no pulse: %+v, %+v", on, off)
	}
	return time.Duration(off.T - on.T)
}

func TestAGrantIsOnePulse(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "300ms"`, `max_on = "1s"`)
	c := r.dial(t, wire.Controller)
	n := 0
	pulse := func(d, want time.Duration, why string) time.Duration {
		t.Helper()
		if got, err := c.Unlock(t.Context(), d, why); err != nil || got != want {
			t.Fatalf("%s: got %v, %v; want %v", why, got, err, want)
		}
		n += 2
		edges := r.relay(t, n)
		on, off := edges[n-2], edges[n-1]
		if on.Why != why || off.Why != "time is over" {
			t.Errorf("got reasons %q, %q", on.Why, off.Why)
		}
		return length(t, on, off)
	}
	inTime(t, 300*time.Millisecond, func() time.Duration { return pulse(0, 300*time.Millisecond, "grant 17") }) // the door's own time
	inTime(t, time.Second, func() time.Duration { return pulse(time.Hour, time.Second, "greedy") })             // the longest one
}

func TestTheExitButtonNeedsNobody(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "50ms"`)
	op := r.dial(t, wire.Operator)
	best := time.Hour
	for i := range 5 {
		if err := op.Sim(t.Context(), door.LineRex, wire.Toggle); err != nil {
			t.Fatal(err)
		}
		edges := r.relay(t, 2*i+2)
		pressed := r.edges(t, door.LineRex)[2*i]
		if edges[2*i].Why != "exit button" {
			t.Fatalf("got %+v", edges[2*i])
		}
		best = min(best, time.Duration(edges[2*i].T-pressed.T))
	}
	t.Logf("from the button to the relay: %v at best of 5", best)
	if best > 100*time.Millisecond {
		t.Errorf("never within 100 ms: %v at best", best)
	}
}

func TestAKilledControllerLosesItsGrant(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "60s"`, `max_on = "60s"`)
	p, _ := r.help(t, unlocking)
	if edges := r.relay(t, 1); len(edges) != 1 || !edges[0].On {
		t.Fatalf("got %+v", edges)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if off := r.relay(t, 2)[1]; off.On || off.Why != "controller is gone" {
		t.Errorf("got %+v", off)
	}
	if _, err := r.dial(t, wire.Controller).Unlock(t.Context(), 0, "next"); err != nil {
		t.Errorf("the next controller: %v", err)
	}
}

func TestAStoppedControllerLosesItsGrant(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "60s"`, `max_on = "60s"`)
	p, _ := r.help(t, unlocking)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if edges := r.relay(t, 2); edges[1].On || edges[1].Why != "controller is gone" {
		t.Errorf("got %+v", edges)
	}
}

func TestAnOperatorsPulseOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "200ms"`)
	n := 0
	inTime(t, 200*time.Millisecond, func() time.Duration {
		op := r.dial(t, wire.Operator)
		if _, err := op.Unlock(t.Context(), 0, "parcel"); err != nil {
			t.Fatal(err)
		}
		if err := op.Close(); err != nil {
			t.Fatal(err)
		}
		n += 2
		edges := r.relay(t, n)
		if edges[n-1].Why != "time is over" {
			t.Errorf("got %+v", edges)
		}
		return length(t, edges[n-2], edges[n-1])
	})
}

func TestHoldLockAndRelease(t *testing.T) {
	t.Parallel()
	r := start(t, `max_on = "200ms"`, `unlock = "100ms"`)
	op := r.dial(t, wire.Operator)
	s, err := op.Hold(t.Context(), client.Order{Why: "delivery"})
	if err != nil || !s.Unlocked || !s.Relay || s.Mode != door.ModeUnlocked || s.Why != "delivery" || !s.Until.IsZero() {
		t.Fatalf("got %+v, %v", s, err)
	}
	if s, err = op.Lock(t.Context(), client.Order{Why: "alarm"}); err != nil || s.Unlocked || s.Relay || s.Mode != door.ModeLocked {
		t.Fatalf("got %+v, %v", s, err)
	}
	c := r.dial(t, wire.Controller)
	if _, err := c.Unlock(t.Context(), 0, "grant"); !errors.Is(err, door.ErrLockedDown) {
		t.Errorf("got %v, want the grant refused", err)
	}
	if err := op.Sim(t.Context(), door.LineRex, wire.Toggle); err != nil {
		t.Fatal(err)
	}
	if edges := r.relay(t, 4); edges[2].Why != "exit button" {
		t.Errorf("got %+v, want the exit button to open in lock-down", edges)
	}
	if s, err = op.Release(t.Context(), client.Order{Why: "all clear"}); err != nil || s.Mode != door.ModeNormal || !s.Controller || !s.Simulated {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := c.Unlock(t.Context(), 0, "grant"); err != nil {
		t.Errorf("after release: %v", err)
	}
}

func TestAFailSafeDoorIsHeldByCurrent(t *testing.T) {
	t.Parallel()
	r := start(t, `fail = "safe"`, `unlock = "100ms"`)
	op := r.dial(t, wire.Operator)
	if s, err := op.Status(t.Context()); err != nil || s.Unlocked || !s.Relay {
		t.Fatalf("got %+v, %v; want a locked door under current", s, err)
	}
	if err := op.Sim(t.Context(), door.LineFire, wire.On); err != nil {
		t.Fatal(err)
	}
	if edges := r.relay(t, 2); edges[1].On || edges[1].Why != "fire" {
		t.Errorf("got %+v, want fire to drop the relay", edges)
	}
	if err := op.Sim(t.Context(), door.LineFire, wire.Off); err != nil {
		t.Fatal(err)
	}
	r.relay(t, 3)
	if code := r.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if edges := r.edges(t, "relay"); len(edges) != 4 || edges[3].On || edges[3].Why != "doord ends" {
		t.Errorf("got %+v, want the relay dropped at the end", edges)
	}
}

func TestEveryOrderlyEndDropsTheRelay(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		r := start(t)
		if _, err := r.dial(t, wire.Operator).Hold(t.Context(), client.Order{Why: "delivery"}); err != nil {
			t.Fatal(err)
		}
		r.relay(t, 1)
		if code := r.end(t, signal); code != 0 {
			t.Errorf("%v: exit status %d\n%s", signal, code, r.stderr)
		}
		if edges := r.edges(t, "relay"); len(edges) != 2 || edges[1].On || edges[1].Why != "doord ends" {
			t.Errorf("%v: got %+v", signal, edges)
		}
		if _, err := os.Lstat(r.socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: the socket is left: %v", signal, err)
		}
	}
}

func TestReleaseAfterAKill(t *testing.T) {
	t.Parallel()
	r := start(t)
	if _, err := r.dial(t, wire.Operator).Hold(t.Context(), client.Order{Why: "delivery"}); err != nil {
		t.Fatal(err)
	}
	r.relay(t, 1)
	if out, err := exec.Command(program, "--home", r.home, "--release").CombinedOutput(); err == nil {
		t.Errorf("a running doord's relay was taken: %s", out)
	}
	r.end(t, syscall.SIGKILL)
	if out, err := exec.Command(program, "--home", r.home, "--release").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if edges := r.edges(t, "relay"); len(edges) != 2 || edges[1].On {
		t.Errorf("got %+v", edges)
	}
	r.run(t) // the stale socket and lock do not block
}

func TestASecondDoordRefuses(t *testing.T) {
	t.Parallel()
	r := start(t)
	second := exec.Command(program, "--home", r.home)
	out, _ := second.CombinedOutput()
	if code := second.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "another doord") || !strings.Contains(string(out), "hint:") {
		t.Errorf("exit status %d: %s", code, out)
	}
	if _, err := r.dial(t, wire.Operator).Status(t.Context()); err != nil {
		t.Errorf("the first does not answer any more: %v", err)
	}
}

func TestSomethingElseAtTheSocketsPathIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(r.socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "--home", r.home).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is no socket") {
		t.Errorf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(r.socket); string(text) != "precious" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestOneController(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.dial(t, wire.Controller)
	if _, err := client.Dial(t.Context(), r.socket, wire.Controller); !errors.Is(err, client.ErrTaken) {
		t.Errorf("got %v, want the role taken", err)
	}
	if _, err := first.Hold(t.Context(), client.Order{Why: "mine"}); !errors.Is(err, client.ErrRefused) {
		t.Errorf("got %v, want a hold refused to a controller", err)
	}
	if info, err := os.Stat(r.socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	hello := `{"do":"hello","version":1,"role":"controller"}` + "\n"
	for name, text := range map[string]string{
		"no hello":            `{"do":"pulse"}` + "\n",
		"another version":     `{"do":"hello","version":2,"role":"operator"}` + "\n",
		"another role":        `{"do":"hello","version":1,"role":"root"}` + "\n",
		"a web browser":       "GET / HTTP/1.1\r\n\r\n",
		"zeros":               strings.Repeat("\x00", 1000) + "\n",
		"no end of line":      strings.Repeat("x", wire.MaxRequest+1),
		"deep nesting":        strings.Repeat("[", wire.MaxRequest-1) + "\n",
		"an unknown do":       hello + `{"do":"open"}` + "\n",
		"an unknown field":    hello + `{"do":"pulse","for":9}` + "\n",
		"a negative time":     hello + `{"do":"pulse","for_ms":-9223372036854775808}` + "\n",
		"hello twice":         hello + hello,
		"a torn line":         hello + `{"do":"pu`,
		"a forged ack":        `{"do":"hello","version":1,"role":"collector"}` + "\n" + `{"do":"ack","journal":"x","seq":9}` + "\n",
		"no line to move":     `{"do":"hello","version":1,"role":"operator"}` + "\n" + `{"do":"sim","line":"relay","level":"on"}` + "\n",
		"no level to move":    `{"do":"hello","version":1,"role":"operator"}` + "\n" + `{"do":"sim","line":"rex","level":"maybe"}` + "\n",
		"a mode nobody knows": hello + `{"do":"schedule","mode":"open"}` + "\n",
		"a lease for others":  `{"do":"hello","version":1,"role":"operator"}` + "\n" + `{"do":"schedule","mode":"unlocked"}` + "\n",
		"an emergency for it": hello + `{"do":"hold","emergency":true}` + "\n",
		"a request to ring":   hello + `{"do":"pulse","why":"\u0007"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", r.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(text)) // it may be cut off half-way
			_ = conn.(*net.UnixConn).CloseWrite()
			lines, last := wire.NewReader(conn, wire.MaxReply), ""
			for {
				line, err := lines.Line()
				if err != nil {
					if errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error("the connection was left open")
					}
					break
				}
				last = string(line)
			}
			if strings.Contains(last, `"for_ms"`) || strings.Contains(last, `"status"`) {
				t.Errorf("answered %s", last)
			}
		})
	}
	if edges := r.edges(t, "relay"); len(edges) != 0 {
		t.Errorf("the relay moved: %+v", edges)
	}
	if _, err := r.dial(t, wire.Operator).Status(t.Context()); err != nil {
		t.Errorf("doord does not answer any more: %v", err)
	}
}

func TestACrowdOfClientsDoesNotStopTheDoor(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "50ms"`)
	op := r.dial(t, wire.Operator)
	for range 200 {
		conn, err := net.Dial("unix", r.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := op.Sim(t.Context(), door.LineRex, wire.Toggle); err != nil {
		t.Fatal(err)
	}
	r.relay(t, 2)
}

func TestALinkComesBack(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "50ms"`)
	link := client.NewLink(r.socket, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	<-link.Ready()
	if _, err := link.Unlock(t.Context(), 0, "one"); err != nil {
		t.Fatal(err)
	}
	r.relay(t, 2)
	r.end(t, syscall.SIGKILL)
	programtest.Until(t, "the link notices", func() bool { return link.Err() != nil })
	if _, err := link.Unlock(t.Context(), 0, "two"); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("got %v without doord", err)
	}
	r.run(t)
	programtest.Until(t, "the link is back", func() bool { return link.Err() == nil })
	if _, err := link.Unlock(t.Context(), 0, "three"); err != nil {
		t.Error(err)
	}
	if edges := r.relay(t, 4); slices.ContainsFunc(edges, func(e edge) bool { return e.Why == "two" }) {
		t.Errorf("a grant that failed opened the door later: %+v", edges)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(r.home, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// They are read as they come: a doord that nobody listens to waits with the eleventh.
	said := make(chan string, 10_000)
	go func() {
		buf := make([]byte, 100)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // the test has ended
			}
			said <- string(buf[:n])
		}
	}()
	r.run(t, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=300000")
	next := func() string {
		select {
		case s := <-said:
			return s
		case <-time.After(patience):
			t.Fatal("nothing is said")
			return ""
		}
	}
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	r.end(t, syscall.SIGTERM)
	for {
		switch got := next(); got {
		case "WATCHDOG=1":
			continue
		case "STOPPING=1":
		default:
			t.Errorf("got %q, want STOPPING=1", got)
		}
		break
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	good, bad := newRig(t), newRig(t, "sokcet = 1")
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a valid configuration", []string{"--home", good.home, "--check"}, 0, "valid"},
		{"a key that is not known", []string{"--home", bad.home, "--check"}, 2, "facegate.toml: line 4, column 1: door.sokcet: unknown key"},
		{"it does not serve either", []string{"--home", bad.home}, 2, "unknown key"},
		{"a file that is not there", []string{"--home", good.home, "--config", "/nonexistent.toml"}, 2, "no such file"},
		{"an argument", []string{"serve"}, 2, `unexpected argument "serve"`},
		{"a flag that is not known", []string{"--door"}, 2, "not defined"},
		{"help", []string{"--help"}, 0, "-release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(program, tt.args...)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.says) {
				t.Errorf("exit status %d, want %d; it says %q, want %q in it", code, tt.code, out, tt.says)
			}
		})
	}
}
