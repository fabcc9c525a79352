package baf

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/store"
)

// A page is read without the applicants of others being opened, and without the connections that
// the door reads with.
func TestListIsCheap(t *testing.T) {
	db, path := apitest.OpenStore(t)
	var list []store.Record
	for i := range 25 {
		list = append(list, store.Record{Kind: applicantKind, ID: fmt.Sprintf("a%02d", i), Owner: "site", Body: []byte(`{"status":0}`)})
	}
	apitest.PutRecords(t, db, path, list, "a00", "a09", "a20", "a24")
	apitest.Occupy(t, db.View, 4, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := &call{handlers: &handlers{&api.Service{DB: db}}, key: store.Key{Project: "site"}}
		for query, want := range map[string]string{
			"Page=2":             "2 10 25 3 [a10 a11 a12 a13 a14 a15 a16 a17 a18 a19]",
			"Page=4&PageSize=5":  "4 5 25 5 [a15 a16 a17 a18 a19]",
			"Page=8&PageSize=3":  "8 3 25 9 [a21 a22 a23]",
			"Page=26&PageSize=1": "26 1 25 25 []",
			"Page=1048576":       "1048576 10 25 3 []",
		} {
			v, err := c.listApplicants(httptest.NewRequestWithContext(ctx, "GET", "/?"+query, nil))
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			l, _ := v.(listed)
			ids := []string{}
			for _, item := range l.Items {
				ids = append(ids, item.ApplicantID)
			}
			if got := fmt.Sprint(l.Page, l.PageSize, l.Total, l.TotalPages, ids); got != want {
				t.Errorf("%s: got %s, want %s", query, got, want)
			}
		}
	})
}

func TestListsWait(t *testing.T) {
	db, _ := apitest.OpenStore(t)
	apitest.Occupy(t, db.List, 2, func() {
		ctx, hangUp := context.WithCancel(t.Context())
		go hangUp()
		c := &call{handlers: &handlers{&api.Service{DB: db}}}
		_, err := c.listApplicants(httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Busy || e.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
	})
}
