// Doord keeps one door: relay, exit button, door contact, fire input, tamper switch. It
// serves facegated and the operator over a Unix socket, and goes on without them.
// docs/door.md says what it promises.
//
// It exits with 0 when told to end, 2 for a wrong command line or configuration, and 3 when
// it cannot have the door.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"facegate/door"
	"facegate/door/journal"
	"facegate/door/server"
	"facegate/internal/config"
	"facegate/internal/logkey"
	"facegate/internal/task"
)

// Exit codes.
const (
	done   = 0
	usage  = 2
	cannot = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("doord", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "configuration `FILE` (default: facegate.toml in the home directory)")
	dir := flags.String("home", "", "home `DIR` (default: $FACEGATE_HOME, var in a checkout, "+config.InstalledHome+")")
	check := flags.Bool("check", false, "check the configuration and exit")
	release := flags.Bool("release", false, "put the relay into its inert state and exit: for after a doord that was killed")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return done
	} else if err != nil {
		return usage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "doord: unexpected argument %q\n", flags.Arg(0))
		return usage
	}
	home, err := config.Home(*dir)
	if err != nil {
		fmt.Fprintln(stderr, "doord:", err)
		return cannot
	}
	cfg, err := config.Open(*file, home)
	if err != nil {
		fmt.Fprintln(stderr, "doord:", err)
		return usage
	}
	if *check {
		fmt.Fprintln(stdout, "configuration is valid")
		return done
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := serve(ctx, cfg, *release, log); err != nil {
		fmt.Fprintln(stderr, "doord:", err)
		if errors.Is(err, server.ErrRunning) {
			fmt.Fprintln(stderr, "hint: stop it first, or choose another home directory")
		}
		return cannot
	}
	return done
}

// serve keeps the door until ctx ends; with release it only makes the relay inert.
func serve(ctx context.Context, cfg *config.Config, release bool, log *slog.Logger) (err error) {
	if err := os.MkdirAll(cfg.Home, 0o750); err != nil {
		return fmt.Errorf("make home directory: %w", err)
	}
	claim, err := server.ClaimDoor(cfg.Door.Socket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	w, err := open(&cfg.Door)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if release {
		return w.relay.Halt()
	}
	manager, err := task.Systemd()
	if err != nil {
		return err
	}
	listener, err := claim.Listen(ctx)
	if err != nil {
		return err
	}
	d := server.New(server.Options{
		Door: door.Config{
			FailSafe: cfg.Door.FailSafe, Unlock: cfg.Door.Unlock, MaxOn: cfg.Door.MaxOn, HeldOpen: cfg.Door.HeldOpen,
			Relock: door.Relock(cfg.Door.Relock), RexRecords: !cfg.Door.RexUnlocks,
		},
		Relay: w.relay, Inputs: w.inputs, Sim: w.sim, Listener: listener, Log: log,
		Journal:  journal.Open(filepath.Join(cfg.Home, "door.journal"), log),
		Settings: journal.OpenSettings(filepath.Join(cfg.Home, "door.settings"), log),
	})
	group := task.Group{Log: log, Manager: manager, Tasks: []task.Task{d}, Beats: []*task.Beat{d.Beat}}
	log.Info("doord serves", logkey.Address, cfg.Door.Socket, logkey.Driver, cfg.Door.Driver)
	return group.Run(ctx)
}
