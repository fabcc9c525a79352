package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"facegate/internal/programtest"
)

// A said is a decision as commands print it.
type said struct {
	Decision string  `json:"decision"`
	Reason   *string `json:"reason"`
	Need     *string `json:"need"`
}

func (s said) String() string {
	b, _ := json.Marshal(s)
	return string(b)
}

// A notebook is a log that may be read while it is written.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notebook) has(s string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Contains(n.text.String(), s)
}

// An instance is a home directory with the programs that run on it.
type instance struct {
	t    *testing.T
	home string
	log  notebook // of facegated
}

func newInstance(t *testing.T, config string) *instance {
	t.Helper()
	home, err := os.MkdirTemp("", "instance") // shorter than t.TempDir: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	in := &instance{t: t, home: home}
	in.write("facegate.toml", config)
	return in
}

func (in *instance) write(name, text string) string {
	in.t.Helper()
	path := filepath.Join(in.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		in.t.Fatal(err)
	}
	return path
}

// start runs a daemon until the test ends.
func (in *instance) start(name string) {
	in.t.Helper()
	p := exec.Command(filepath.Join(programs, name), "--home", in.home)
	if name == "facegated" {
		p.Stderr = &in.log
	}
	if err := p.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Wait()
	})
}

// run is one command, with what it reads; its exit code must be one of those that are wanted.
func (in *instance) run(stdin string, want []int, args ...string) string {
	in.t.Helper()
	p := exec.CommandContext(context.WithoutCancel(in.t.Context()), filepath.Join(programs, "facegate"), append([]string{"--home", in.home, "--json"}, args...)...)
	var stdout, stderr bytes.Buffer
	p.Stdin, p.Stdout, p.Stderr = strings.NewReader(stdin), &stdout, &stderr
	code := 0
	if err := p.Run(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			in.t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	if slices.Contains(want, code) {
		return stdout.String()
	}
	in.t.Fatalf("facegate %v: exit code %d, want one of %v\n%s%s", args, code, want, stdout.Bytes(), stderr.Bytes())
	return ""
}

func (in *instance) do(args ...string) { in.t.Helper(); in.run("", []int{exitDone}, args...) }

// ask runs a command that prints a decision.
func (in *instance) ask(stdin string, args ...string) (s said) {
	in.t.Helper()
	out := in.run(stdin, []int{exitDone, exitNo}, args...)
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		in.t.Fatalf("facegate %v: %v: %s", args, err, out)
	}
	return s
}

// What `policy explain` says of a moment is what a visit at that moment comes to: with the real
// daemon, real people and real rules, one set after the other, and whatever the visits before
// have left behind.
func TestVisitsComeToWhatIsExplained(t *testing.T) {
	const pin = "82649"
	in := newInstance(t, "[camera]\ndriver = \"replay\"\npath = \"frames.csv\"\n[door]\ndriver = \"sim\"\nunlock = \"100ms\"\n")
	in.write("frames.csv", "file,seconds\n,600\n")
	for _, args := range [][]string{
		{"--id", "staff", "--group", "staff"},
		{"--id", "lab", "--group", "lab,staff", "--unlock", "200ms"},
		{"--id", "guest", "--group", "guests", "--visitor", "--valid-until", "2090-01-01"},
		{"--id", "past", "--group", "staff", "--valid-until", "2020-01-01"},
		{"--id", "early", "--group", "staff", "--valid-from", "2090-01-01"},
		{"--id", "thief", "--group", "staff"},
		{"--id", "faceless", "--group", "staff", "--no-face"},
		{"--id", "bypass", "--group", "nobody"},
	} {
		in.do(append([]string{"person", "add", "--name", "Somebody"}, args...)...)
		in.run(pin+"\n", []int{exitDone}, "pin", "set", args[1])
	}
	in.do("person", "add", "--id", "pinless", "--name", "Somebody", "--group", "staff")
	in.do("block", "thief", "--reason", "theft")
	in.do("bypass", "grant", "bypass", "--until", "2090-01-01", "--reason", "test")
	people := []string{"staff", "lab", "guest", "past", "early", "thief", "faceless", "bypass", "pinless"}

	in.start("doord")
	in.start("facegated")
	programtest.Until(t, "facegated is connected to the door and listens", func() bool {
		if _, err := os.Stat(filepath.Join(in.home, "facegated.sock")); err != nil {
			return false
		}
		var door struct{ Controller bool }
		out := in.run("", []int{exitDone, exitError}, "door", "status")
		return json.Unmarshal([]byte(out), &door) == nil && door.Controller
	})

	groups := "[groups.staff]\n[groups.lab]\n[groups.guests]\n[groups.nobody]\n"
	everybody := "[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n"
	staff := "[[access]]\ngroups = [\"staff\"]\ndoors = [\"main\"]\n"
	outcomes := map[string]int{}
	for i, rules := range []string{
		"",
		groups + "[doors.main]\nfactors = \"pin\"\n" + staff,
		groups + "[doors.main]\nfactors = \"face|pin\"\nbypass = true\n" + staff,
		groups + "[doors.main]\nfactors = \"face+pin\"\n" + everybody,
		groups + "[doors.main]\npin_instead = true\n" + everybody,
		groups + "[doors.main]\nfactors = \"pin\"\nanti_passback = \"5m\"\n" + everybody,
		groups + "[doors.main]\nfactors = \"pin\"\nfirst = [\"lab\"]\nanti_passback = \"1ms\"\n" + everybody,
		groups + "[schedules.never]\ntimes = []\n[doors.main]\nfactors = \"pin\"\n" + staff + "schedule = \"never\"\n",
		groups + "[doors.main]\nfactors = \"face\"\n[[doors.main.when]]\nschedule = \"always\"\nfactors = \"pin\"\nmask = \"off\"\n" + everybody,
		groups + "[doors.main]\nmask = \"required\"\n" + everybody,
	} {
		in.do("policy", "apply", in.write("rules.toml", rules))
		revision := fmt.Sprintf("revision=%d", i+1)
		programtest.Until(t, "facegated has the rules of "+revision, func() bool { return in.log.has(revision) })
		for _, id := range people {
			typed := pin + "\n"
			explained := in.ask("", "policy", "explain", "--person", id, "--factors", "pin")
			visited := in.ask(typed, "pin", "enter", id)
			if explained.String() != visited.String() {
				t.Errorf("%s under the rules\n%s\nis explained as %v, and a visit comes to %v", id, rules, explained, visited)
			}
			outcomes[visited.Decision]++
		}
	}
	if outcomes["grant"] < 5 || outcomes["deny"] < 5 || outcomes["challenge"] < 5 {
		t.Errorf("the visits came to %v: too much alike to tell anything", outcomes)
	}
}
