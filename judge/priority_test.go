package judge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"facegate/judge"
)

func TestPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p judge.Priority
		waits := func(ctx context.Context) time.Duration {
			began := time.Now()
			p.Yield(ctx)
			return time.Since(began)
		}
		if d := waits(t.Context()); d != 0 {
			t.Errorf("waits %v for nobody", d)
		}
		p.Attend(true)
		p.Attend(true)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d := waits(short); d != time.Second {
			t.Errorf("waits %v with a second left", d)
		}
		time.AfterFunc(500*time.Millisecond, func() { p.Attend(false) })
		if d := waits(t.Context()); d != 500*time.Millisecond {
			t.Errorf("waits %v for somebody who goes", d)
		}
		p.Attend(false)
		if d := waits(t.Context()); d != 0 {
			t.Errorf("waits %v for nobody any more", d)
		}
	})
}
