package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(10)
		ctx := t.Context()
		first, err := r.Take(ctx, 8)
		if err != nil {
			t.Fatal(err)
		}
		came := make(chan int, 3)
		for i, n := range []int64{100, 2} { // more than there is takes all, and the small one does not overtake it
			go func() {
				leave, err := r.Take(ctx, n)
				if err != nil {
					t.Errorf("room for %d: %v", n, err)
					return
				}
				came <- i
				leave()
			}()
			synctest.Wait()
		}
		if len(came) != 0 {
			t.Errorf("room was given twice")
		}
		first()
		first()
		if a, b := <-came, <-came; a != 0 || b != 1 {
			t.Errorf("room was given to %d and then to %d, want the order of coming", a, b)
		}
		if synctest.Wait(); r.free != 10 {
			t.Errorf("%d bytes are free at the end, want 10", r.free)
		}
	})
}

func TestRoomEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(10)
		leave, err := r.Take(t.Context(), 6)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan error)
		go func() {
			_, err := r.Take(ctx, 10)
			given <- err
		}()
		synctest.Wait()
		behind := make(chan error)
		go func() {
			_, err := r.Take(t.Context(), 4)
			behind <- err
		}()
		synctest.Wait()
		cancel()
		if e, ok := errors.AsType[*Error](<-given); !ok || e.Code != Busy {
			t.Errorf("a call that ends while it waits: %v", e)
		}
		if err := <-behind; err != nil {
			t.Errorf("there is room behind a call that ended: %v", err)
		}
		if _, err := r.Take(t.Context(), 1); err == nil {
			t.Error("room was given that there is not")
		}
		leave()
		if _, err := (*Room)(nil).Take(t.Context(), 1<<40); err != nil {
			t.Errorf("no bounds: %v", err)
		}
	})
}
