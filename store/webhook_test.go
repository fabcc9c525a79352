package store

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facegate/access"
)

// due are the bodies of the webhooks that are due, and the ids.
func due(t *testing.T, db *DB, now time.Time) (bodies, ids []string) {
	t.Helper()
	list, err := db.DueWebhooks(t.Context(), now, 100)
	must(t, err)
	for _, w := range list {
		bodies, ids = append(bodies, string(w.Body)), append(ids, w.ID)
	}
	return bodies, ids
}

func addWebhook(t *testing.T, db *DB, when time.Time, body string) {
	t.Helper()
	must(t, at(t, db, when, func(tx *Tx) error {
		return tx.AddWebhook(Webhook{ID: "mine", API: APIArgos, Project: "p", URL: "https://example.org/geheim", Body: []byte(body), Tries: 9})
	}))
}

func TestWebhooks(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	addWebhook(t, db, noon, "one")
	addWebhook(t, db, noon.Add(time.Second), "two")
	if bodies, _ := due(t, db, noon.Add(-time.Millisecond)); bodies != nil {
		t.Errorf("due before their time: %v", bodies)
	}
	list, err := db.DueWebhooks(t.Context(), noon.Add(time.Minute), 1)
	want := []Webhook{{API: APIArgos, Project: "p", URL: "https://example.org/geheim", Body: []byte("one"), Next: noon, Created: noon}}
	if !cmp.Equal(want, list, cmpopts.IgnoreFields(Webhook{}, "ID")) || err != nil || list[0].ID == "mine" {
		t.Errorf("%#v, %v", list, err)
	}
	_, ids := due(t, db, noon.Add(time.Minute))
	again := noon.Add(time.Hour)
	must(t, at(t, db, noon, func(tx *Tx) error { return tx.WebhookFailed(ids[0], again) }))
	if bodies, _ := due(t, db, again.Add(-time.Second)); !cmp.Equal(bodies, []string{"two"}) {
		t.Errorf("after one failed: %v", bodies)
	}
	list, err = db.DueWebhooks(t.Context(), again, 100)
	if err != nil || len(list) != 2 || string(list[1].Body) != "one" || list[1].Tries != 1 {
		t.Errorf("%v, %v", list, err)
	}
	for range 2 { // the second time nothing is left to do
		must(t, at(t, db, noon, func(tx *Tx) error { return errors.Join(tx.WebhookDone(ids[1]), tx.WebhookFailed(ids[1], again)) }))
	}
	if bodies, _ := due(t, db, again); !cmp.Equal(bodies, []string{"one"}) {
		t.Errorf("after one was answered: %v", bodies)
	}
	if n, err := db.LastEvent(t.Context()); n != 0 || err != nil {
		t.Errorf("%d events, %v", n, err)
	}
	must(t, db.Close())
	if names := find(t, dir, []byte("geheim")); names != nil {
		t.Errorf("the URL is in %v", names)
	}
}

func TestWebhooksAreGivenUp(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	for _, body := range []string{"failing", "waiting", "damaged"} {
		addWebhook(t, db, noon, body)
	}
	addWebhook(t, db, noon.Add(time.Hour), "younger")
	_, ids := due(t, db, noon.Add(time.Second))
	if len(ids) != 3 {
		t.Fatalf("due: %v", ids)
	}
	meddle(t, dir, func(raw *sql.DB) { run(t, raw, "UPDATE webhook SET sealed = x'' WHERE id = '"+ids[2]+"'") })
	if bodies, _ := due(t, db, noon.Add(time.Second)); len(bodies) != 2 {
		t.Errorf("with a damaged one: %v", bodies)
	}
	end := noon.Add(24 * time.Hour)
	must(t, at(t, db, noon, func(tx *Tx) error { return tx.WebhookFailed(ids[0], end.Add(-time.Millisecond)) }))
	if n, err := db.LastEvent(t.Context()); n != 0 || err != nil {
		t.Errorf("%d events, %v: it has time left", n, err)
	}
	must(t, at(t, db, noon, func(tx *Tx) error { return tx.WebhookFailed(ids[0], end) }))
	if bodies, _ := due(t, db, end.Add(-time.Millisecond)); len(bodies) != 2 {
		t.Errorf("after one was given up: %v", bodies)
	}
	if bodies, _ := due(t, db, end); !cmp.Equal(bodies, []string{"younger"}) {
		t.Errorf("a day later: %v", bodies)
	}
	for _, want := range []int{2, 0} {
		must(t, at(t, db, end, func(tx *Tx) error {
			n, err := tx.GiveUpWebhooks()
			if n != want {
				t.Errorf("%d given up, want %d", n, want)
			}
			return err
		}))
	}
	events, err := db.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 3 {
		t.Fatalf("events %v, %v", events, err)
	}
	want := map[string]string{"command": "webhook", "webhook": ids[0], "api": "argos", "project": "p", "tries": "2"}
	if e := events[0]; e.Kind != access.KindCommandRefused || !cmp.Equal(want, e.Data) {
		t.Errorf("event %+v", e)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	db := open(t, t.TempDir())
	for name, w := range map[string]Webhook{
		"no URL":          {},
		"in the clear":    {URL: "http://example.org/"},
		"a body too long": {URL: "https://example.org/", Body: make([]byte, maxWebhook+1)},
		"a bad project":   {URL: "https://example.org/", Project: "\n"},
	} {
		if err := db.Update(t.Context(), act, func(tx *Tx) error { return tx.AddWebhook(w) }); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	meddle(t, strings.TrimSuffix(db.path, "/facegate.db"), func(raw *sql.DB) {
		run(t, raw, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO webhook SELECT i, '', 0, 0, 0, x'' FROM n`)
	})
	err := db.Update(t.Context(), act, func(tx *Tx) error { return tx.AddWebhook(Webhook{URL: "https://example.org/"}) })
	if !errors.Is(err, access.ErrTooMany) {
		t.Errorf("one more than fit: %v", err)
	}
}
