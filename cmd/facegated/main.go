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
	"runtime"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // schedules are read in the site's time zone on machines that have no zones

	"facegate/internal/config"
)

func main() {
	file := flag.String("config", "", "configuration file; facegate.toml in the home directory if empty")
	home := flag.String("home", "", "directory of the instance")
	check := flag.Bool("check", false, "validate the configuration and exit")
	untilIdle := flag.Bool("until-idle", false, "exit when a replay has ended and every decision is recorded")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	// Little of the heap holds pointers, so that collecting is cheap; what strangers have sent is
	// not to lie about until as much again has come.
	debug.SetGCPercent(15)
	// The kernel knows who goes first, Go's scheduler does not: the camera's thread is not to wait
	// there behind calls.
	runtime.GOMAXPROCS(4 * runtime.GOMAXPROCS(0))
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
