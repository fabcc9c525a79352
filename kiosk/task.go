package kiosk

import (
	"context"
	"time"
)

// every does something at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			do()
		}
	}
}

// atOnce is the readiness of a task that has nothing to wait for.
func atOnce() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
