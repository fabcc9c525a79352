package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"facegate/access"
)

// childDir is the variable that makes the test binary a child process working on a store.
const childDir = "FACEGATE_STORE_TEST_DIR"

// TestChild is what a child process runs: one person, one template and two events a
// transaction, and then the number of the last event on standard output, until it is killed
// or has done the number of rounds asked for.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("run by the tests that need a second process")
	}
	db := open(t, dir)
	rounds, err := strconv.Atoi(os.Getenv("ROUNDS"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range rounds {
		var last access.Event
		err := db.Update(context.Background(), act, func(tx *Tx) error {
			id := fmt.Sprintf("%d-%d", os.Getpid(), i)
			if _, err := tx.AddPerson(access.Person{ID: id, Name: "Name"}); err != nil {
				return err
			}
			if _, err := tx.AddTemplate(Template{Person: id, Model: "m1", Vector: make1(256)}); err != nil {
				return err
			}
			last, err = tx.Append(access.Event{Kind: access.KindGranted, Person: id})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("committed %d\n", last.Seq)
	}
}

func make1(n int) []float32 {
	v := make([]float32, n)
	v[0] = 1
	return v
}

// startChild runs the test binary as a child on the store in dir. Its lines come from out.
func startChild(t *testing.T, dir string, rounds int) (cmd *exec.Cmd, out *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprint("ROUNDS=", rounds))
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(pipe)
}

// A process that is killed while it writes loses nothing it has committed, and leaves
// nothing half done.
func TestKilledWhileWriting(t *testing.T) {
	dir := t.TempDir()
	for kill := range 6 { // each adds three events a person, and one of this process
		cmd, out := startChild(t, dir, 1_000_000)
		var committed uint64
		lines := 0
		for lines < 3+7*kill && out.Scan() {
			if n, _ := fmt.Sscanf(out.Text(), "committed %d", &committed); n == 1 {
				lines++
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() { // what it still said
			fmt.Sscanf(out.Text(), "committed %d", &committed)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		if lines < 3 {
			t.Fatal("the child committed nothing")
		}

		o := options(dir)
		o.Daemon = true // checks the file's structure
		db, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		v, err := db.VerifyEvents(t.Context())
		if err != nil || v.Events < committed {
			t.Errorf("kill %d: %d events, %v; %d were committed", kill, v.Events, err, committed)
		}
		if p, x := len(people(t, db)), len(templates(t, db, "m1")); uint64(3*p+kill) != v.Events || p != x {
			t.Errorf("kill %d: %d people and %d templates for %d events", kill, p, x, v.Events)
		}
		appended, err := db.AppendEvent(t.Context(), act, access.Event{Kind: access.KindStarted})
		if err != nil || appended.Seq != v.Events+1 {
			t.Errorf("kill %d: append after it: %d, %v", kill, appended.Seq, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Two processes and several goroutines append at once: no gap, none lost, one chain.
func TestProcessesWriteTogether(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	const rounds = 40
	first, _ := startChild(t, dir, rounds)
	second, _ := startChild(t, dir, rounds)
	done := make(chan error)
	for range 3 {
		go func() {
			var err error
			for range rounds {
				_, e := db.AppendEvent(t.Context(), act, access.Event{Kind: access.KindDenied, Reason: access.ReasonUnknownPerson})
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, cmd := range []*exec.Cmd{first, second} {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	v, err := db.VerifyEvents(t.Context())
	if want := uint64(2*3*rounds + 3*rounds); err != nil || v.Events != want {
		t.Errorf("%d events, %v, want %d", v.Events, err, want)
	}
	if n := len(people(t, db)); n != 2*rounds {
		t.Errorf("%d people, want %d", n, 2*rounds)
	}
}
