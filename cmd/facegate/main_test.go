package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to damage stores with
	"github.com/rogpeppe/go-internal/testscript"

	"facegate/door/client"
	"facegate/door/wire"
	"facegate/internal/programtest"
	"facegate/internal/sharedtest"
)

// patience bounds every wait. It says nothing about speed.
const patience = 30 * time.Second

// programs is the directory of facegate, facegated and doord, as they are shipped.
var programs string

func TestMain(m *testing.M) {
	programtest.Run(m, func(dir string) { programs = dir }, "facegate", "facegated", "doord")
}

// Scripts that need no models.
func TestCommands(t *testing.T) {
	runScripts(t, "plain", nil)
}

// Scripts that look into pictures. Those with people run where the demonstration's portraits
// are installed.
func TestCommandsWithModels(t *testing.T) {
	installed := sharedtest.Home(t)
	runScripts(t, "models", func(env *testscript.Env) error {
		home := env.Getenv("FACEGATE_HOME")
		for _, dir := range []string{"models", "runtime", "demo"} {
			if err := os.Symlink(filepath.Join(installed, dir), filepath.Join(home, dir)); err != nil {
				return err
			}
		}
		env.Setenv("ASTRONAUT", filepath.Join(installed, "demo", "astronaut.png"))
		env.Setenv("ADMIRAL", filepath.Join(installed, "demo", "grace_hopper.jpg"))
		env.Setenv("PICTURES", filepath.Join(sharedtest.Root(t), "pipeline", "imgproc", "testdata", "pictures"))
		return nil
	})
}

// Every command is in the documentation.
func TestCommandsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(sharedtest.Root(t), "docs", "commands.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		if !regexp.MustCompile("`" + c.name + "[ `]").Match(text) {
			t.Errorf("docs/commands.md does not tell of %s", c.name)
		}
	}
}

func runScripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", dir),
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			if err := os.MkdirAll(home, 0o755); err != nil {
				return err
			}
			env.Setenv("FACEGATE_HOME", home)
			env.Setenv("PATH", programs+string(os.PathListSeparator)+env.Getenv("PATH"))
			if setup != nil {
				return setup(env)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "portraits":
				return there(filepath.Join(sharedtest.Home(t), "demo", "astronaut.png"), filepath.Join(sharedtest.Home(t), "demo", "grace_hopper.jpg"))
			case "terminal": // a bare container may have none
				return there("/dev/ptmx", "/dev/pts/ptmx")
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     code,
			"sql":      damage,
			"answers":  answers,
			"until":    until,
			"npy":      npy,
			"truncate": truncate,
			"member":   member,
			"nowhere":  nowhere,
		},
	})
}

// there reports whether all the files are there.
func there(files ...string) (bool, error) {
	for _, f := range files {
		if _, err := os.Stat(f); errors.Is(err, os.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// code CODE PROGRAM ARG… runs a program and wants this exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// sql FILE STATEMENT… changes a database behind the store's back.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: sql FILE STATEMENT…")
	}
	db, err := sql.Open("sqlite3", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	for _, s := range args[1:] {
		if _, err := db.Exec(s); err != nil {
			ts.Fatalf("%s: %v", s, err)
		}
	}
}

// answers waits until doord does.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answers SOCKET")
	}
	deadline := time.After(patience)
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for {
		conn, err := client.Dial(context.Background(), ts.MkAbs(args[0]), wire.Operator)
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		select {
		case <-every.C:
		case <-deadline:
			ts.Fatalf("doord never answers: %v", err)
		}
	}
}

// until PATTERN PROGRAM ARG… runs a program again and again until it prints what is awaited.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN PROGRAM ARG…")
	}
	awaited, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	deadline := time.After(patience)
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		_ = ts.Exec(args[1], args[2:]...) // what it prints counts
		if awaited.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-every.C:
		case <-deadline:
			ts.Fatalf("never prints %s", args[0])
		}
	}
}

// truncate FILE BYTES cuts a file.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}
