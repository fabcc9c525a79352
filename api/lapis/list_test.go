package lapis

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/store"
)

// Requests are listed without the connections that the door reads with, and not by everybody at
// once.
func TestListsWait(t *testing.T) {
	s := apitest.New(t, Register, apitest.Options{})
	list := func(ctx context.Context) error {
		c := &call{handler: &handler{Service: s.Service}, request: httptest.NewRequestWithContext(ctx, "GET", "/api/kyc-request", nil)}
		_, err := c.list() //nolint:contextcheck // its context is its request's
		return err
	}
	held(t, s.DB.View, 4, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := list(ctx); err != nil {
			t.Error(err)
		}
	})
	held(t, s.DB.List, 2, func() {
		ctx, hangUp := context.WithCancel(t.Context())
		go hangUp()
		err := list(ctx)
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Busy || e.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
	})
}

// held calls fn while n transactions are under way that begin has begun.
func held(t *testing.T, begin func(context.Context, func(*store.Tx) error) error, n int, fn func()) {
	t.Helper()
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	for range n {
		go func() {
			ended <- begin(t.Context(), func(*store.Tx) error {
				begun <- struct{}{}
				<-end
				return nil
			})
		}()
	}
	for range n {
		<-begun
	}
	fn()
	close(end)
	for range n {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
