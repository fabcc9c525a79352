package argos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/internal/logkey"
	"facegate/store"
)

// maxCount is how many authentications a page has at most, and unless fewer are asked for.
const maxCount = 2000

// A page is one project's part of a list. There is one in every answer.
type page struct {
	Project string  `json:"faceAuth_projectId"`
	Data    []entry `json:"data"`
	Next    *next   `json:"nextPage_key,omitempty"`
}

// next names the last entry of a page that is not the last.
type next struct {
	ID      string `json:"authId"`
	Created string `json:"createTime"`
}

// An entry is an authentication in a list. One that was deleted has no members that say whose
// it was.
type entry struct {
	ID         string  `json:"auth_id"`
	Status     string  `json:"auth_status"`
	Created    string  `json:"create_time"`
	Type       string  `json:"submit_type,omitempty"`
	Submission string  `json:"kyc_submission_id,omitempty"`
	Policy     *policy `json:"policy,omitempty"`
	Deleted    bool    `json:"delete_check"`
}

// A policy is the thresholds that an authentication was held against.
type policy struct {
	Similarity float64 `json:"faceSimilarity_threshold"`
	Occluded   bool    `json:"occluded_threshold"`
	FaceCover  float64 `json:"faceCover_threshold"`
	HeadCover  float64 `json:"headCover_threshold"`
	Liveness   float64 `json:"liveness_threshold"`       // always 0: not judged
	Active     float64 `json:"activeLiveness_threshold"` // always 0
}

func newEntry(r store.Record) (entry, error) {
	var k kept
	if err := json.Unmarshal(r.Body, &k); err != nil {
		return entry{}, fmt.Errorf("%v: %w", r, err)
	}
	e := entry{ID: r.ID, Status: k.Status, Created: r.Created.UTC().Format(timeFormat), Deleted: k.Deleted}
	if k.Deleted {
		return e, nil
	}
	e.Type, e.Submission = "api", k.Submission
	if p := k.Policy; p != nil {
		e.Policy = &policy{Similarity: p.Similarity, Occluded: p.Occluded, FaceCover: p.FaceCover, HeadCover: p.HeadCover}
	}
	return e, nil
}

// A query says what to list.
type query struct {
	id       string
	from, to time.Time // to is exclusive; both zero: all
	after    string    // id of the entry to go on after, and its time
	afterAt  time.Time
	count    int
}

// parseQuery reads a query. A name that occurs twice is malformed, one that it does not know is
// passed over.
func parseQuery(v url.Values) (q query, err error) {
	for _, name := range []string{"authId", "startDate", "endDate", "nextKey_id", "nextKey_date", "count"} {
		if len(v[name]) > 1 {
			return q, fmt.Errorf("%s is there twice", name)
		}
	}
	pair := func(a, b string) bool { return (v.Get(a) == "") == (v.Get(b) == "") }
	if !pair("startDate", "endDate") || !pair("nextKey_id", "nextKey_date") {
		return q, errors.New("one of two parameters that go together")
	}
	q.id, q.after, q.count = v.Get("authId"), v.Get("nextKey_id"), maxCount
	if q.id != "" && !isID(q.id) {
		return q, errors.New("authId is no id")
	}
	if text := v.Get("startDate"); text != "" {
		if q.from, err = time.Parse(time.DateOnly, text); err != nil {
			return q, err
		}
		if q.to, err = time.Parse(time.DateOnly, v.Get("endDate")); err != nil {
			return q, err
		}
		q.to = q.to.AddDate(0, 0, 1)
	}
	if q.after != "" {
		if !isID(q.after) {
			return q, errors.New("nextKey_id is no id")
		}
		if q.afterAt, err = time.Parse(time.RFC3339, v.Get("nextKey_date")); err != nil {
			return q, err
		}
	}
	if text := v.Get("count"); text != "" {
		if q.count, err = strconv.Atoi(text); err != nil || q.count < 1 || q.count > maxCount {
			return q, fmt.Errorf("count is not between 1 and %d", maxCount)
		}
	}
	return q, nil
}

// list answers GET.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	key, err := h.key(r, store.ScopeRead)
	if err == nil {
		_, err = h.policy(r.Context(), key)
	}
	var q query
	if err == nil {
		values, bad := url.ParseQuery(r.URL.RawQuery)
		if bad == nil {
			q, bad = parseQuery(values)
		}
		if bad != nil {
			err = errFormat(http.StatusBadRequest, bad)
		}
	}
	p := page{Project: key.Project}
	if err == nil {
		if p.Data, p.Next, err = h.entries(r.Context(), key.Project, q); err != nil {
			status := http.StatusInternalServerError
			if e, ok := errors.AsType[*api.Error](err); ok {
				status = e.Code.Status()
			}
			err = errData(status, err)
		}
	}
	if err = h.noted(r.Context(), key, "faceauth list", "", err); err != nil {
		h.fail(w, r, err)
		return
	}
	api.JSON(w, http.StatusOK, []page{p})
}

// noted records a call that changed nothing and ended with err, which it returns. What could not
// be recorded is told to nobody.
func (h *handler) noted(ctx context.Context, key store.Key, name, person string, err error) error {
	if key.ID == "" || h.Tallied(key, err) {
		return err
	}
	result := "ok"
	if err != nil {
		result = words(err).code
	}
	// A caller that has gone leaves a record all the same.
	if _, failed := h.Record(context.WithoutCancel(ctx), key, name, person, result, access.Scores{}); failed != nil && err == nil {
		err = errData(http.StatusInternalServerError, failed)
	} else if failed != nil {
		h.Log.WarnContext(ctx, "call not recorded", logkey.Error, failed)
	}
	return err
}

// entries are a page of a project's list, the oldest first.
func (h *handler) entries(ctx context.Context, project string, q query) (list []entry, more *next, err error) {
	list = []entry{}
	err = h.DB.List(ctx, func(tx *store.Tx) error {
		if q.id != "" {
			r, err := tx.Record(kind, q.id)
			if errors.Is(err, access.ErrNotFound) || err == nil && r.Owner != project {
				return nil
			}
			if err != nil {
				return err
			}
			e, err := newEntry(r)
			list = append(list, e)
			return err
		}
		var after int64
		if q.after != "" {
			switch r, err := tx.Record(kind, q.after); {
			case err == nil && r.Owner == project:
				after, q.afterAt = r.Seq, time.Time{}
			case err != nil && !errors.Is(err, access.ErrNotFound):
				return err
			}
		}
		from, to := q.span()
		for {
			records, err := tx.RecordsBetween(kind, project, from, to, after, q.count-len(list)+1)
			if err != nil || len(records) == 0 {
				return err
			}
			for _, r := range records {
				if len(list) == q.count {
					last := list[len(list)-1]
					more = &next{last.ID, last.Created}
					return nil
				}
				e, err := newEntry(r)
				if err != nil {
					return err
				}
				list, after = append(list, e), r.Seq
			}
		}
	})
	if store.CodeOf(err) == store.CodeBusy {
		err = &api.Error{Code: api.Busy, RetryAfter: time.Second, Err: err}
	}
	return slices.Clip(list), more, err
}

// span is from when, and before when, what is asked for was made.
func (q query) span() (from, to time.Time) {
	from, to = q.from, q.to
	if from.IsZero() {
		to = time.UnixMilli(math.MaxInt64)
	}
	// Times are kept in milliseconds.
	if next := q.afterAt.Truncate(time.Millisecond).Add(time.Millisecond); !q.afterAt.IsZero() && next.After(from) {
		from = next
	}
	return from, to
}

// The failures of a removal, which have no message.
func errRemove(code string, err error) error {
	return &failure{http.StatusBadRequest, code, "", err}
}

// remove answers DELETE.
func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	key, err := h.key(r, store.ScopeAdmin)
	if err == nil {
		_, err = h.policy(r.Context(), key)
	}
	if err == nil {
		err = h.forget(r.Context(), key, r.URL.RawQuery)
	}
	if err != nil {
		h.fail(w, r, h.noted(r.Context(), key, "faceauth delete", "", err))
		return
	}
	api.JSON(w, http.StatusOK, map[string]string{"message": "success"})
}

// forget takes everything out of an authentication but that there was one, when, and how it
// ended.
func (h *handler) forget(ctx context.Context, key store.Key, raw string) error {
	v, err := url.ParseQuery(raw)
	if err != nil || len(v["authId"]) > 1 {
		return errRemove("error in processing data", err)
	}
	id := v.Get("authId")
	if id == "" {
		return errRemove("required key is missing", nil)
	}
	if !isID(id) {
		return errRemove("error in processing data", nil)
	}
	unknown := errRemove("Cannot find submission. Please check input data.", nil)
	err = h.DB.Update(ctx, h.Act(key), func(tx *store.Tx) error {
		r, err := tx.Record(kind, id)
		if errors.Is(err, access.ErrNotFound) || err == nil && r.Owner != key.Project {
			return unknown
		}
		if err != nil {
			return err
		}
		var k kept
		if err := json.Unmarshal(r.Body, &k); err != nil {
			return err
		}
		if k.Deleted {
			return unknown
		}
		person := r.Person
		r.Person = ""
		if r.Body, err = json.Marshal(kept{Status: k.Status, Deleted: true}); err != nil {
			return err
		}
		if err := tx.PutRecord(r); err != nil {
			return err
		}
		_, err = tx.Append(access.Event{
			Kind: access.KindCommandDone, Person: person, Data: map[string]string{"api": store.APIArgos, "call": "faceauth delete", "result": "ok"},
		})
		return err
	})
	if _, ok := errors.AsType[*failure](err); err != nil && !ok {
		return errRemove("error in delete submission", err)
	}
	return err
}
