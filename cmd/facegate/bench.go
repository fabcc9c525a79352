package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"

	measure "facegate/bench"
	"facegate/models"
)

func bench(ctx context.Context, e *env, args []string) error {
	fs := e.flags("bench")
	runs := fs.Int("runs", 0, "runs of each row")
	faces := fs.String("faces", "", "directory of labelled pictures, which every engine is shown too")
	suites, err := parse(fs, args)
	if err != nil {
		return err
	}
	for _, s := range suites {
		if !slices.Contains(measure.Suites(), s) {
			return usagef("bench has no %q", s)
		}
	}
	c, err := e.config()
	if err != nil {
		return err
	}
	set, err := models.OpenDir(c.Home, c.Models.Dir)
	if err != nil {
		return err
	}
	portrait, err := set.Demo(astronaut)
	if err != nil {
		return err
	}
	g, err := e.engine()
	if err != nil {
		return err
	}
	defer g.Close() //nolint:errcheck // the process ends
	report, err := measure.Run(ctx, measure.Options{
		Suites: suites, Runs: *runs, Load: g.Load, List: g.Models.List(), Portrait: portrait, Faces: *faces,
		Peers: peers(filepath.Join(c.Home, "peers")), Version: version(),
		Step: func(suite string) { fmt.Fprintf(e.stderr, "bench: %s\n", suite) },
	})
	if err != nil {
		return err
	}
	write := report.WriteText
	if e.json {
		write = report.WriteJSON
	}
	if err := write(e.stdout); err != nil {
		return err
	}
	if !report.Sound() {
		return errNo
	}
	return nil
}

// version is that of the module this program was built as.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
