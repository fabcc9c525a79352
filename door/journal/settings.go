package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"facegate/door"
	"facegate/internal/logkey"
)

// Settings keeps the lock-downs of people in a small file, so that a power cut does not lift
// them. Nothing else is kept: a door that was unlocked is locked after doord has ended.
//
// The file is replaced as a whole and synced. [Settings.Save] never waits for the disk;
// [Settings.Run] writes, and tries again every second while the disk refuses. It is safe for
// concurrent use.
type Settings struct {
	path    string
	log     *slog.Logger
	found   []door.Setting
	damaged bool

	mu      sync.Mutex
	want    []door.Setting
	saved   bool          // want is on the disk
	fault   error         // why it is not
	work    chan struct{} // something is to be written; capacity 1
	settled chan struct{} // closed and replaced after each attempt to write
}

// maxSettings is above any file this package writes: two settings of bounded texts.
const maxSettings = 64 << 10

// OpenSettings reads the file at path, which need not exist. One that cannot be read or makes
// no sense is set aside under a name ending in .damaged and stands for a lock-down: a fault of
// the disk must not lift one.
func OpenSettings(path string, log *slog.Logger) *Settings {
	s := &Settings{path: path, log: log, saved: true, work: make(chan struct{}, 1), settled: make(chan struct{})}
	found, err := readSettings(path)
	if err != nil {
		aside := path + ".damaged"
		log.Error("door settings damaged", logkey.Path, aside, logkey.Error, errors.Join(err, os.Rename(path, aside)))
		s.damaged = true
		found = []door.Setting{{
			Priority: door.Operator, Mode: door.ModeLocked, Since: time.Now(), Why: "the file of lock-downs was damaged",
		}}
		s.Save(found)
	}
	s.found = found
	return s
}

func readSettings(path string) ([]door.Setting, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSettings))
	if err != nil {
		return nil, err
	}
	r, err := decode(text[:max(0, len(text)-1)])
	if err != nil {
		return nil, err
	}
	for _, s := range r.Settings {
		if s.Mode != door.ModeLocked || s.Priority != door.Operator && s.Priority != door.Emergency {
			return nil, fmt.Errorf("a setting of mode %q at priority %q", s.Mode, s.Priority)
		}
	}
	return r.Settings, nil
}

// Found is what the file held when it was opened, and whether it was damaged.
func (s *Settings) Found() (settings []door.Setting, damaged bool) { return s.found, s.damaged }

// Save has lock-downs written in place of what the file holds. It returns at once; the caller
// does not change the slice afterwards.
func (s *Settings) Save(lockDowns []door.Setting) {
	s.mu.Lock()
	s.want, s.saved = lockDowns, false
	s.mu.Unlock()
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// Wait returns nil when what was saved is on the disk. The error says why it is not, or not
// within d.
func (s *Settings) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		s.mu.Lock()
		saved, fault, settled := s.saved, s.fault, s.settled
		s.mu.Unlock()
		if saved || fault != nil {
			return fault
		}
		select {
		case <-settled:
		case <-timer.C:
			return errors.New("the disk does not answer")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Fault is why what was saved is not on the disk, or nil.
func (s *Settings) Fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// Run writes what is saved until ctx ends, and then what is left.
func (s *Settings) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := s.write(); err != nil {
				return fmt.Errorf("write door settings: %w", err)
			}
			return nil
		case <-s.work:
		case <-timer.C:
		}
		if err := s.write(); err != nil {
			timer.Reset(retry)
		}
	}
}

// write brings the file up to what is wanted.
func (s *Settings) write() error {
	s.mu.Lock()
	want, saved, was := s.want, s.saved, s.fault
	s.mu.Unlock()
	if saved {
		return nil
	}
	file, err := replace(s.path, appendRecord(nil, entry{Settings: want}))
	if err == nil {
		err = file.Close()
	}
	s.mu.Lock()
	s.fault = err
	s.saved = err == nil && slices.Equal(want, s.want)
	close(s.settled)
	s.settled = make(chan struct{})
	s.mu.Unlock()
	switch {
	case err != nil && was == nil:
		s.log.Error("door settings not written", logkey.Error, err)
	case err == nil && was != nil:
		s.log.Info("door settings written again")
	}
	return err
}
