// Package bench measures facegate on the machine it runs on and prints one table: its own
// rows and, in the same run on the same frames, those of every peer that is installed.
//
// A row is a latency: p50, p95 and p99 of n runs after five that do not count. It carries
// what was answered; a row whose answers are wrong is invalid, not fast. A row whose halves
// differ by more than a tenth is measured again, three times in all, and then marked noisy.
// A target is printed with every row that has one, met or missed.
//
// Everything runs on one thread that is pinned to one processor; peers are started from it
// and inherit that. The package starts no programs and opens no cameras. What it writes lies
// in a temporary directory that it removes.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"facegate/models"
	"facegate/pipeline/litert"
)

// Options say what is measured.
type Options struct {
	Suites   []string // of [Suites]; none is all
	Runs     int      // of the rows that take milliseconds; 0 is 100
	Gallery  int      // templates that a face is searched among; 0 is 10 000
	Load     litert.Loader
	List     *models.List
	Portrait string // a picture with one face, which is granted at level passive
	Faces    string // directory of labelled pictures; empty or absent: none but the portrait
	Peers    []Peer
	Version  string             // of facegate
	Step     func(suite string) // told what begins; may be nil
}

// A Peer is another engine that is shown raw pictures, in a process of its own.
type Peer interface {
	Name() string
	// Open starts the engine. The error wraps [ErrNotInstalled] where there is none.
	Open(ctx context.Context) (version string, err error)
	// Look looks at a file of packed RGB pixels as often as runs says.
	Look(ctx context.Context, file string, width, height, runs int) (Look, error)
	Close() error
}

// ErrNotInstalled says that a peer is not on this machine.
var ErrNotInstalled = errors.New("not installed")

// A Look is what an engine made of one picture.
type Look struct {
	Millis    []float64 // of each run
	Faces     int
	Embedding int // numbers of the first face's; 0: none
}

// Suites are the names of what can be measured, in the order of the report.
func Suites() []string { return []string{"decision", "models", "match", "frames"} }

// Run measures. The report is that of a complete run or comes with an error. Models that Load
// gives are closed again.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Runs <= 0 {
		o.Runs = 100
	}
	if o.Gallery <= 0 {
		o.Gallery = 10_000
	}
	for _, s := range o.Suites {
		if !slices.Contains(Suites(), s) {
			return nil, fmt.Errorf("no suite %q", s)
		}
	}
	dir, err := os.MkdirTemp("", "facegate-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary; what is left the system clears away
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cpu, unpin, err := pin()
	if err != nil {
		return nil, err
	}
	defer unpin()
	b := &bench{Options: o, dir: dir, report: &Report{Machine: describe(o.Version, cpu)}}
	for _, s := range Suites() {
		if len(o.Suites) > 0 && !slices.Contains(o.Suites, s) {
			continue
		}
		if o.Step != nil {
			o.Step(s)
		}
		run := map[string]func(context.Context) error{
			"decision": b.decision, "models": b.models, "match": b.match, "frames": b.frames,
		}[s]
		b.suite = s
		if err := run(ctx); err != nil {
			return nil, fmt.Errorf("measure %s: %w", s, err)
		}
	}
	return b.report, nil
}

// ours is the engine of facegate's own rows.
const ours = "facegate"

// A bench is one run.
type bench struct {
	Options
	dir    string
	suite  string
	report *Report
}

// row adds a row of facegate's own to the report.
func (b *bench) row(name string, s sample, answers string, valid bool) *Row {
	return b.report.add(Row{Suite: b.suite, Name: name, Engine: ours, Version: b.Version, sample: s, Answers: answers, Valid: valid})
}
