package baf_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/baf"
	"facegate/store"
)

// A pair is a judge whose looks are told two at a time, while it is set: neither call does anything
// with its own before both have it.
type pair struct {
	api.Judge
	set  atomic.Bool
	meet chan struct{}
}

func (j *pair) Look(ctx context.Context, picture []byte, want api.Want) (*api.Look, error) {
	l, err := j.Judge.Look(ctx, picture, want)
	if j.set.Load() {
		select {
		case j.meet <- struct{}{}:
		case <-j.meet:
		case <-ctx.Done():
		}
	}
	return l, err
}

// newPair is a client of a server with such a judge, not set.
func newPair(t testing.TB) (*client, *pair) {
	judge := &pair{meet: make(chan struct{})}
	c := newClientOf(t, func(mux *http.ServeMux, s *api.Service) {
		judge.Judge, s.Judge = s.Judge, judge
		baf.Register(mux, s)
	}, apitest.Options{})
	return c, judge
}

// both makes two validations that meet, and returns their answers in order.
func (c *client) both(judge *pair, requests [2]map[string]any) (answers [2]*apitest.Answer) {
	c.t.Helper()
	judge.set.Store(true)
	defer judge.set.Store(false)
	ctx, stop := context.WithTimeout(c.t.Context(), time.Minute)
	defer stop()
	var errs [2]error
	done := make(chan struct{})
	for i, r := range requests {
		body, err := json.Marshal(r)
		if err != nil {
			c.t.Fatal(err)
		}
		go func() {
			answers[i], errs[i] = c.s.Try(ctx, http.MethodPost, validation, map[string]string{"Authorization": "Bearer " + c.key}, body)
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	for _, err := range errs {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return answers
}

// Of two registrations of an applicant at once one succeeds, and the other comes too late: its face
// is nobody's.
func TestOneApplicantTwice(t *testing.T) {
	f := apitest.NewFaces(t)
	c, judge := newPair(t)
	faces := [2][]byte{f.A1(), f.B1()}
	for range 6 {
		c.forgetTries()
		a := c.applicant(`{}`)
		answers := c.both(judge, [2]map[string]any{request(a, 10, faces[0], nil), request(a, 10, faces[1], nil)})
		first := slices.IndexFunc(answers[:], func(x *apitest.Answer) bool { return x.Status == http.StatusOK })
		if first < 0 {
			t.Fatalf("neither succeeded: %s, %s", answers[0].Body, answers[1].Body)
		}
		golden(t, answers[first], 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
		golden(t, answers[1-first], 400, failure(120036, `Request "`+a+`" was already completed`))
		golden(t, c.get(applicants+"/"+a), 200, nobody(a, 1, 0))
		golden(t, c.face(a, faces[first]), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
		golden(t, c.face(a, faces[1-first]), 200, of(a, 1, 0, 1, no, yes, yes, no, "[]"))
		c.forget(a)
	}
}

// Of two applicants who are registered at once with one face one succeeds, and the other is a
// duplicate.
func TestOneFaceTwice(t *testing.T) {
	f := apitest.NewFaces(t)
	c, judge := newPair(t)
	for range 6 {
		ids := [2]string{c.applicant(`{}`), c.applicant(`{}`)}
		answers := c.both(judge, [2]map[string]any{request(ids[0], 10, f.A1(), nil), request(ids[1], 10, f.A2(), nil)})
		second := slices.IndexFunc(answers[:], func(x *apitest.Answer) bool {
			var v struct{ Status int }
			return json.Unmarshal(x.Body, &v) == nil && v.Status == 1
		})
		if second < 0 {
			t.Fatalf("neither is a duplicate: %s, %s", answers[0].Body, answers[1].Body)
		}
		golden(t, answers[1-second], 200, of(ids[1-second], 1, 0, 0, yes, yes, yes, yes, "[]"))
		golden(t, answers[second], 200, of(ids[second], 1, 4, 1, no, yes, yes, no, "[]"))
		if n := c.templates(ids[second]); n != 0 {
			t.Errorf("a duplicate has %d templates", n)
		}
		c.forget(ids[1-second])
	}
}

// forget takes the one template of an applicant away, whose face may be registered anew.
func (c *client) forget(applicant string) {
	c.t.Helper()
	if n := c.templates(applicant); n != 1 {
		c.t.Errorf("the applicant has %d templates", n)
	}
	added := 0
	for _, e := range c.s.Events(c.t) {
		if e.Kind == access.KindTemplateAdded && e.Person == applicant {
			added++
		}
	}
	if added != 1 {
		c.t.Errorf("the trail has %d templates of the applicant", added)
	}
	c.s.Update(c.t, func(tx *store.Tx) error { _, err := tx.RemoveTemplates(applicant); return err })
	c.s.Reload(c.t)
}

// templates is how many a person has.
func (c *client) templates(person string) (n int) {
	c.t.Helper()
	err := c.s.DB.View(c.t.Context(), func(tx *store.Tx) error {
		for _, err := range tx.TemplatesOf(person) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// A registration that cannot be written down leaves no template, and the applicant as they were.
func TestRecordIsNotKept(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	const largest = 4 << 20 // record
	a := c.applicant(`{}`)
	change := func(to func(body string) string) {
		c.s.Update(t, func(tx *store.Tx) error {
			rec, err := tx.Record("baf.applicant", a)
			if err != nil {
				return err
			}
			rec.Body = []byte(to(string(rec.Body)))
			return tx.PutRecord(rec)
		})
	}
	more := "" // fills the record until there is no room for the id of a template
	change(func(body string) string {
		more = `"metadata":{"x":"` + strings.Repeat("x", largest-len(body)-len(`{"x":""}`)+len(null)) + `"}`
		return strings.Replace(body, `"metadata":null`, more, 1)
	})
	golden(t, c.face(a, f.A1()), 400, failure(120029, `Graphql error: "internal error"`))
	if n := c.templates(a); n != 0 {
		t.Errorf("%d templates are left", n)
	}
	golden(t, c.get(applicants+"/"+a), 200, strings.Replace(nobody(a, 0, 5), `"metadata":null`, more, 1))
	golden(t, c.face(a, f.Spoof()), 200, of(a, 1, 4, 1, null, no, yes, no, "[]")) // a failed one fits
	change(func(body string) string { return strings.Replace(body, more, `"metadata":null`, 1) })
	golden(t, c.face(a, f.B1()), 200, of(a, 2, 0, 0, yes, yes, yes, yes, "[]"))
	golden(t, c.face(a, f.A1()), 200, of(a, 2, 0, 1, no, yes, yes, no, "[]")) // nobody's face
	if n := c.templates(a); n != 1 {
		t.Errorf("%d templates of an applicant who is registered", n)
	}
}
