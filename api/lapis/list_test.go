package lapis

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
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
	apitest.Occupy(t, s.DB.View, 4, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := list(ctx); err != nil {
			t.Error(err)
		}
	})
	apitest.Occupy(t, s.DB.List, 2, func() {
		ctx, hangUp := context.WithCancel(t.Context())
		go hangUp()
		err := list(ctx)
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Busy || e.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
	})
}
