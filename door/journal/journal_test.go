package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/door"
)

var quiet = slog.New(slog.DiscardHandler)

// run starts the journal's writer and returns what stops it.
func run(t *testing.T, j *Journal) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// record notes n events whose Why counts from first.
func record(j *Journal, first, n int) {
	for i := range n {
		j.Record(door.Event{Time: time.Unix(int64(i), 0), Kind: door.Opened, Why: fmt.Sprint(first + i)})
	}
}

// collect waits until n events behind seq are on the disk.
func collect(t *testing.T, j *Journal, seq uint64, n int) []door.Event {
	t.Helper()
	for {
		got, more := j.After(j.ID(), seq, n)
		if len(got) == n {
			return got
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatalf("got %d of %d events", len(got), n)
		}
	}
}

func TestEventsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door.journal")
	j := Open(path, quiet)
	stop := run(t, j)
	record(j, 1, 5)
	collect(t, j, 0, 5)
	if err := j.Ack(j.ID(), 2); err != nil {
		t.Fatal(err)
	}
	stop()

	again := Open(path, quiet)
	if again.ID() != j.ID() {
		t.Errorf("the id changed from %s to %s", j.ID(), again.ID())
	}
	stop = run(t, again)
	defer stop()
	record(again, 6, 1)
	for i, e := range collect(t, again, 0, 4) {
		if want := uint64(i + 3); e.Seq != want || e.Why != fmt.Sprint(want) {
			t.Errorf("got event %d %q, want %d", e.Seq, e.Why, want)
		}
	}
}

func TestOnlyWhatIsOnTheDiskIsHandedOut(t *testing.T) {
	j := Open(filepath.Join(t.TempDir(), "door.journal"), quiet)
	record(j, 1, 3)
	if got, _ := j.After(j.ID(), 0, 10); len(got) != 0 {
		t.Errorf("handed out %v before the writer ran", got)
	}
	if err := j.Ack(j.ID(), 1); err == nil {
		t.Error("an ack of an event never handed out was taken")
	}
	defer run(t, j)()
	collect(t, j, 0, 3)
	if err := j.Ack("another", 1); err == nil {
		t.Error("an ack of another journal was taken")
	}
	if got, _ := j.After("another", 3, 10); len(got) != 3 {
		t.Errorf("got %d events behind a number of another journal, want all", len(got))
	}
	if got, _ := j.After(j.ID(), 2, 10); len(got) != 1 || got[0].Seq != 3 {
		t.Errorf("got %v behind number 2", got)
	}
}

func TestADiskThatLostItsPromiseLosesNoNewEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door.journal")
	j := Open(path, quiet)
	stop := run(t, j)
	record(j, 1, 2)
	collect(t, j, 0, 2)
	if err := j.Ack(j.ID(), 40); err != nil { // its collector had got as far as 40
		t.Fatal(err)
	}
	record(j, 3, 1)
	got := collect(t, j, 40, 3)
	for i, e := range got {
		if want := uint64(41 + i); e.Seq != want || e.Why != fmt.Sprint(i+1) {
			t.Errorf("got event %d %q, want %d %d", e.Seq, e.Why, want, i+1)
		}
	}
	if err := j.Ack(j.ID(), 1<<63); err == nil {
		t.Error("an ack beyond all numbers was taken")
	}
	stop()
	if again := Open(path, quiet); len(again.waiting) != 3 || again.next != 44 {
		t.Errorf("reopened with %v, next %d", again.waiting, again.next)
	}
}

func TestSequenceGoesOnWhenAllIsCollected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door.journal")
	for round := range 3 {
		j := Open(path, quiet)
		stop := run(t, j)
		record(j, 0, 1)
		got := collect(t, j, uint64(round), 1)
		if want := uint64(round + 1); got[0].Seq != want {
			t.Fatalf("round %d: got %d, want %d", round, got[0].Seq, want)
		}
		if err := j.Ack(j.ID(), got[0].Seq); err != nil {
			t.Fatal(err)
		}
		stop()
	}
}

// TestEveryTruncationKeepsWholeLines cuts the file at every byte, as a crash would.
func TestEveryTruncationKeepsWholeLines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "door.journal")
	j := Open(path, quiet)
	stop := run(t, j)
	for i := range 3 {
		record(j, i+1, 1)
		collect(t, j, 0, i+1)
	}
	stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.IndexByte(text, '\n') + 1
	for cut := header; cut <= len(text); cut++ {
		torn := filepath.Join(dir, "torn")
		if err := os.WriteFile(torn, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got := Open(torn, quiet)
		want := bytes.Count(text[header:cut], []byte("\n"))
		if len(got.waiting) != want || got.next != uint64(want+1) || got.id != j.id {
			t.Fatalf("cut at %d: got %d events, next %d; want %d", cut, len(got.waiting), got.next, want)
		}
	}
}

func TestDamageIsSetAsideAndSaid(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "door.journal")
	j := Open(path, quiet)
	stop := run(t, j)
	record(j, 1, 3)
	collect(t, j, 0, 3)
	stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	tests := []struct {
		name  string
		text  []byte
		whole int
	}{
		{"a flipped bit", bytes.Replace(text, []byte(`"why":"2"`), []byte(`"why":"3"`), 1), 2},
		{"the same event twice", bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[2]}, nil), 2},
		{"an ack from the future", append(bytes.Clone(text), append(appendRecord(nil, entry{Acked: 99}), lines[3]...)...), 3},
		{"no header", bytes.Join(lines[1:], nil), 0},
		{"something else", []byte("#!/bin/sh\n"), 0},
		{"zeros", make([]byte, 4096), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			damaged := filepath.Join(t.TempDir(), "door.journal")
			if err := os.WriteFile(damaged, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			got := Open(damaged, quiet)
			if len(got.waiting) != tt.whole+1 {
				t.Fatalf("kept %v, want %d whole events and one that tells", got.waiting, tt.whole)
			}
			if last := got.waiting[tt.whole]; last.Kind != door.HealthRaised || !strings.Contains(last.Why, "damaged") {
				t.Errorf("got %+v, want the damage told", last)
			}
			if aside, err := os.ReadFile(damaged + ".damaged"); err != nil || !bytes.Equal(aside, tt.text) {
				t.Errorf("the damaged file was not kept: %v", err)
			}
		})
	}
}

func TestAFullJournalCountsWhatItDrops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door.journal")
	j := Open(path, quiet)
	j.max = 100
	stop := run(t, j)
	record(j, 1, 1000)
	stop()
	j = Open(path, quiet)
	var stands uint64
	for i, e := range j.waiting {
		if i > 0 && e.Count > 0 {
			t.Errorf("event %d counts %d, but is not the oldest", e.Seq, e.Count)
		}
		stands += max(e.Count, 1)
	}
	if first := j.waiting[0]; stands != 1000 || first.Kind != door.HealthRaised || len(j.waiting) > 100 {
		t.Errorf("%d lines stand for %d events of 1000, first %+v", len(j.waiting), stands, first)
	}
	if last := j.waiting[len(j.waiting)-1]; last.Seq != 1000 || last.Why != "1000" {
		t.Errorf("the newest is %+v", last)
	}
}

func TestADiskThatRefusesLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent")
	j := Open(filepath.Join(dir, "door.journal"), quiet)
	if _, fault := j.State(); fault == nil {
		t.Fatal("no fault without a directory")
	}
	stop := run(t, j)
	record(j, 1, 3)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	collect(t, j, 0, 3)
	stop()
	if waiting, fault := j.State(); fault != nil || waiting != 3 {
		t.Errorf("got fault %v, %d waiting", fault, waiting)
	}
}

func TestTheFileStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door.journal")
	j := Open(path, quiet)
	stop := run(t, j)
	for i := range uint64(20) {
		record(j, 0, 200)
		collect(t, j, i*200, 200)
		if err := j.Ack(j.ID(), (i+1)*200); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	info, err := os.Stat(path)
	if err != nil || info.Size() > 200_000 {
		t.Errorf("%d bytes, %v; 4000 events have all been collected", info.Size(), err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("00000000 {}\n"))
	f.Add(appendRecord(appendRecord(nil, entry{Journal: "a", Next: 7}), entry{Event: &door.Event{Seq: 7}}))
	f.Add(appendRecord(nil, entry{Journal: "a", Next: 1<<64 - 1, Acked: 1 << 63}))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "door.journal")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		j := Open(path, quiet)
		again := Open(path, quiet)
		if again.id != j.id || len(again.waiting) != len(j.waiting) || again.next != j.next {
			t.Errorf("reopened: %+v, first: %+v", again, j)
		}
	})
}
