package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var own turn
		var mu sync.Mutex // those who give up do so at once
		var order []string
		note := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
		}
		if err := own.take(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		wait := func(ctx context.Context, name string, first bool) {
			go func() {
				if err := own.take(ctx, first); err != nil {
					note(name + " gave up")
					return
				}
				note(name)
				own.leave()
			}()
			synctest.Wait()
		}
		wait(t.Context(), "api 1", false)
		gone, hangUp := context.WithCancel(t.Context())
		wait(gone, "api 2", false)
		wait(t.Context(), "api 3", false)
		wait(t.Context(), "camera 1", true)
		wait(gone, "camera 2", true)
		wait(t.Context(), "camera 3", true)
		hangUp()
		synctest.Wait()
		own.leave()
		synctest.Wait()
		if got := strings.Join(order, ", "); !strings.HasSuffix(got, ", camera 1, camera 3, api 1, api 3") || strings.Count(got, "gave up") != 2 {
			t.Errorf("got %s", got)
		}
		wait(t.Context(), "later", false)
		if order[len(order)-1] != "later" {
			t.Error("the turn was not given back")
		}
		over, end := context.WithCancel(t.Context())
		end()
		if err := own.take(over, true); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
