package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"facegate/eval"
	"facegate/pipeline"
)

func evaluate(ctx context.Context, e *env, args []string) error {
	fs := e.flags("eval")
	dir := fs.String("suite", "", "directory with the labelled sets")
	out := fs.String("out", "", "directory for report.html and report.csv")
	workers := fs.Int("workers", runtime.NumCPU(), "pictures looked at side by side")
	quick := fs.Bool("quick", false, "a trial run: one picture in four, 16 cards instead of 64")
	var only list
	fs.Var(&only, "set", "only this set, may be repeated")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 || *dir == "" || *out == "" {
		return usagef("eval needs --suite DIR and --out DIR")
	}
	// The directory is made first: who cannot write there need not wait for the figures.
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	o := eval.Options{
		Suite: *dir, Calibration: s.id.Calibration, Masked: s.id.Masked, Workers: *workers, Sets: only, Every: 1, Cards: 64,
		Open: func() (*pipeline.Analyser, error) { return pipeline.Open(s.engine.Load, "") },
	}
	if *quick {
		o.Every, o.Cards = 4, 16
	}
	var bar *progress
	o.Step = func(_, of int) {
		if bar == nil {
			bar = newProgress(e.stderr, "eval", of)
		}
		bar.step()
	}
	report, err := eval.Run(ctx, o)
	if bar != nil {
		bar.done()
	}
	if err != nil {
		return err
	}
	if err := report.WriteFiles(*out); err != nil {
		return err
	}
	if e.json {
		return report.WriteJSON(e.stdout)
	}
	if err := report.WriteText(e.stdout); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\nwritten: %s\n", filepath.Join(*out, "report.html"))
	return nil
}
