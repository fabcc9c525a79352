package journal

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"facegate/door"
)

// keep runs s until it has written what it was given.
func keep(t *testing.T, s *Settings) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := s.Wait(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestSettingsOutlastTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	s := OpenSettings(path, quiet)
	if found, damaged := s.Found(); len(found) > 0 || damaged {
		t.Fatalf("a file that is not there holds %+v, damaged %v", found, damaged)
	}
	want := door.Setting{Priority: door.Emergency, Mode: door.ModeLocked, By: "anna", Why: "intruder", Since: time.Unix(5, 0).UTC(), Until: time.Unix(9, 0).UTC()}
	s.Save([]door.Setting{want})
	keep(t, s)
	if found, damaged := OpenSettings(path, quiet).Found(); len(found) != 1 || found[0] != want || damaged {
		t.Errorf("got %+v, damaged %v", found, damaged)
	}
	s = OpenSettings(path, quiet)
	s.Save(nil)
	keep(t, s)
	if found, damaged := OpenSettings(path, quiet).Found(); len(found) != 0 || damaged {
		t.Errorf("after the release: %+v, damaged %v", found, damaged)
	}
}

func TestDamagedSettingsLockTheDoor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	s := OpenSettings(path, quiet)
	s.Save([]door.Setting{{Priority: door.Emergency, Mode: door.ModeLocked}})
	keep(t, s)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"empty":        nil,
		"torn":         whole[:len(whole)/2],
		"altered":      bytes.Replace(whole, []byte("emergency"), []byte("emergencx"), 1),
		"not ours":     []byte("hello\n"),
		"two lines":    append(bytes.Clone(whole), whole...),
		"an unlocking": appendRecord(nil, entry{Settings: []door.Setting{{Priority: door.Operator, Mode: door.ModeUnlocked}}}),
		"a schedule":   appendRecord(nil, entry{Settings: []door.Setting{{Priority: door.Scheduled, Mode: door.ModeLocked}}}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			s := OpenSettings(path, quiet)
			found, damaged := s.Found()
			if !damaged || len(found) != 1 || found[0].Mode != door.ModeLocked || found[0].Priority != door.Operator {
				t.Errorf("got %+v, damaged %v", found, damaged)
			}
			keep(t, s)
			if again, damaged := OpenSettings(path, quiet).Found(); damaged || len(again) != 1 || again[0].Mode != door.ModeLocked {
				t.Errorf("the next doord finds %+v, damaged %v", again, damaged)
			}
		})
	}
}

func TestSettingsThatCannotBeWrittenAreSaid(t *testing.T) {
	s := OpenSettings(filepath.Join(t.TempDir(), "absent", "settings"), quiet)
	s.Save([]door.Setting{{Priority: door.Emergency, Mode: door.ModeLocked}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := s.Wait(t.Context(), 30*time.Second); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := <-done; err == nil || s.Fault() == nil {
		t.Errorf("got %v, fault %v", err, s.Fault())
	}
}

func TestTheLastStateIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := Open(path, quiet)
	if j.Last() != "" {
		t.Errorf("a new journal says %q", j.Last())
	}
	for _, kind := range []string{door.Rex, door.Unlocked, door.Locked, door.Unlocked, door.Rex} {
		j.Record(door.Event{Kind: kind})
	}
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	if err := j.Ack(j.ID(), 5); err != nil {
		t.Fatal(err)
	}
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	// Read twice: from the events, and from the first line of a file without any.
	for range 2 {
		if j = Open(path, quiet); j.Last() != door.Unlocked {
			t.Errorf("got %q", j.Last())
		}
	}
}
