package store

import (
	"bytes"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/store/seal"
)

func putRecord(tb testing.TB, db *DB, r Record) {
	tb.Helper()
	update(tb, db, func(tx *Tx) error { return tx.PutRecord(r) })
}

// at runs fn in a transaction at a moment.
func at(t *testing.T, db *DB, when time.Time, fn func(*Tx) error) error {
	t.Helper()
	return db.Update(t.Context(), Act{At: when, Source: access.SourceSystem}, fn)
}

// recordIDs are the ids of all records of a kind and owner, in pages of two.
func recordIDs(t *testing.T, db *DB, when time.Time, kind, owner string) (ids []string) {
	t.Helper()
	must(t, at(t, db, when, func(tx *Tx) error {
		for after := int64(0); ; {
			page, err := tx.Records(kind, owner, after, 2)
			if err != nil || len(page) == 0 {
				return err
			}
			if len(page) > 2 {
				t.Errorf("%d at once", len(page))
			}
			for _, r := range page {
				ids = append(ids, r.ID)
			}
			after = page[len(page)-1].Seq
		}
	}))
	return ids
}

func TestRecords(t *testing.T) {
	db := open(t, t.TempDir())
	before, err := db.LastEvent(t.Context())
	must(t, err)
	for i := range 5 {
		putRecord(t, db, Record{Kind: "a.b", ID: strconv.Itoa(i), Owner: "p", Body: []byte{byte(i)}})
	}
	putRecord(t, db, Record{Kind: "a.b", ID: "other", Owner: "q"})
	putRecord(t, db, Record{Kind: "a.b", ID: "nobody's"})
	putRecord(t, db, Record{Kind: "c", ID: "0", Owner: "p", Body: []byte("another kind")})

	var first Record
	later := noon.Add(time.Hour)
	must(t, at(t, db, later, func(tx *Tx) (err error) {
		if first, err = tx.Record("a.b", "1"); err != nil {
			return err
		}
		return tx.PutRecord(Record{Kind: "a.b", ID: "1", Owner: "p", Person: "p1", Expires: later.Add(time.Hour), Body: []byte("again")})
	}))
	must(t, at(t, db, later, func(tx *Tx) error {
		got, err := tx.Record("a.b", "1")
		want := Record{Kind: "a.b", ID: "1", Owner: "p", Person: "p1", Created: noon, Expires: later.Add(time.Hour), Body: []byte("again"), Seq: first.Seq}
		if !cmp.Equal(want, got) {
			t.Errorf("put again: %#v of %v to %v", got, got.Created, got.Expires)
		}
		return err
	}))
	for _, tt := range []struct {
		kind, owner string
		want        []string
	}{
		{"a.b", "p", []string{"0", "1", "2", "3", "4"}}, {"a.b", "q", []string{"other"}}, {"a.b", "", []string{"nobody's"}}, {"c", "p", []string{"0"}}, {"d", "p", nil},
	} {
		if diff := cmp.Diff(tt.want, recordIDs(t, db, later, tt.kind, tt.owner)); diff != "" {
			t.Errorf("%s of %q (-want +got)\n%s", tt.kind, tt.owner, diff)
		}
	}
	update(t, db, func(tx *Tx) error { return tx.DeleteRecord("a.b", "0") })
	for name, do := range map[string]func(tx *Tx) error{
		"read":   func(tx *Tx) error { return errOf(tx.Record("a.b", "0")) },
		"take":   func(tx *Tx) error { return errOf(tx.TakeRecord("a.b", "0")) },
		"delete": func(tx *Tx) error { return tx.DeleteRecord("a.b", "0") },
	} {
		if err := db.Update(t.Context(), act, do); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s what is gone: %v", name, err)
		}
	}
	if after, err := db.LastEvent(t.Context()); after != before || err != nil {
		t.Errorf("events %d to %d, %v", before, after, err)
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	db := open(t, t.TempDir())
	for name, r := range map[string]Record{
		"no kind":         {ID: "1"},
		"capitals":        {Kind: "aB", ID: "1"},
		"a line break":    {Kind: "a\nb", ID: "1"},
		"a long kind":     {Kind: strings.Repeat("a", 33), ID: "1"},
		"no id":           {Kind: "a"},
		"a bad id":        {Kind: "a", ID: "1\n2"},
		"a long id":       {Kind: "a", ID: strings.Repeat("1", 129)},
		"a bad owner":     {Kind: "a", ID: "1", Owner: "p\x00"},
		"a bad person":    {Kind: "a", ID: "1", Person: "\xff"},
		"a body too long": {Kind: "a", ID: "1", Body: make([]byte, maxText+1)},
	} {
		if err := db.Update(t.Context(), act, func(tx *Tx) error { return tx.PutRecord(r) }); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A page ends before its bodies fill the memory, and whoever goes on gets them all.
func TestLongRecords(t *testing.T) {
	db := open(t, t.TempDir())
	body := bytes.Repeat([]byte("x"), maxText)
	for i := range 6 {
		putRecord(t, db, Record{Kind: "a", ID: strconv.Itoa(i), Body: body})
	}
	must(t, db.View(t.Context(), func(tx *Tx) error {
		page, err := tx.Records("a", "", 0, 100)
		if len(page) != 4 || !bytes.Equal(page[3].Body, body) {
			t.Errorf("%d records at once", len(page))
		}
		if page, err := tx.Records("a", "", page[3].Seq, 100); len(page) != 2 || err != nil {
			t.Errorf("then %d, %v", len(page), err)
		}
		return err
	}))
}

// A record can be taken once, whoever tries at the same time.
func TestTakeRecord(t *testing.T) {
	dir := t.TempDir()
	dbs := []*DB{open(t, dir), open(t, dir), open(t, dir)}
	putRecord(t, dbs[0], Record{Kind: "token", ID: "1", Body: []byte("once")})
	got := make(chan error)
	for _, db := range dbs {
		go func() {
			got <- db.Update(t.Context(), act, func(tx *Tx) error {
				r, err := tx.TakeRecord("token", "1")
				if err == nil && string(r.Body) != "once" {
					t.Errorf("taken: %#v", r)
				}
				return err
			})
		}()
	}
	taken := 0
	for range dbs {
		switch err := <-got; {
		case err == nil:
			taken++
		case !errors.Is(err, access.ErrNotFound):
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("taken %d times", taken)
	}
}

func TestRecordsExpire(t *testing.T) {
	db := open(t, t.TempDir())
	end := noon.Add(time.Minute)
	for id, expires := range map[string]time.Time{"never": {}, "soon": end, "late": end.Add(time.Hour)} {
		putRecord(t, db, Record{Kind: "a", ID: id, Expires: expires, Body: []byte("first")})
	}
	for _, tt := range []struct {
		when time.Time
		want []string
	}{{end.Add(-time.Millisecond), []string{"late", "never", "soon"}}, {end, []string{"late", "never"}}} {
		if got := recordIDs(t, db, tt.when, "a", ""); !cmp.Equal(tt.want, slices.Sorted(slices.Values(got))) {
			t.Errorf("at %v: %v, want %v", tt.when, got, tt.want)
		}
	}
	for name, do := range map[string]func(tx *Tx) error{
		"read": func(tx *Tx) error { return errOf(tx.Record("a", "soon")) },
		"take": func(tx *Tx) error { return errOf(tx.TakeRecord("a", "soon")) },
	} {
		if err := at(t, db, end, do); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s what has expired: %v", name, err)
		}
	}
	// A view has no moment of its own: it is now, long after the record's.
	must(t, db.View(t.Context(), func(tx *Tx) error {
		if _, err := tx.Record("a", "soon"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("viewed: %v", err)
		}
		return errOf(tx.Record("a", "never"))
	}))
	must(t, at(t, db, end, func(tx *Tx) error { // nothing is left of it in one that takes its id
		if err := tx.PutRecord(Record{Kind: "a", ID: "soon"}); err != nil {
			return err
		}
		r, err := tx.Record("a", "soon")
		if !r.Created.Equal(end) {
			t.Errorf("made %v", r.Created)
		}
		return err
	}))
	must(t, at(t, db, end, func(tx *Tx) error {
		n, err := tx.ExpireRecords(end.Add(time.Hour))
		if n != 1 {
			t.Errorf("%d expired", n)
		}
		return err
	}))
	var rows int
	if err := db.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM record").Scan(&rows); rows != 2 || err != nil {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// What stands in the clear beside a record is as good as sealed.
func TestDamagedRecords(t *testing.T) {
	for name, do := range map[string]string{
		"a longer life":     "UPDATE record SET expires = expires + 1000",
		"no end":            "UPDATE record SET expires = 0",
		"another id":        "UPDATE record SET id = 'x' WHERE id = 'r'; UPDATE record SET id = 'r' WHERE id = 's'",
		"another kind":      "DELETE FROM record WHERE kind = 'a' AND id = 'r'; UPDATE record SET kind = 'a' WHERE kind = 'b'",
		"another owner":     "UPDATE record SET owner = 'q'",
		"another person":    "UPDATE record SET person = 'p2'",
		"kept for longer":   "UPDATE record SET face = 0",
		"of another time":   "UPDATE record SET created = created + 1",
		"emptied":           "UPDATE record SET sealed = x''",
		"somebody's record": "CREATE TEMP TABLE was AS SELECT * FROM record; UPDATE record SET sealed = (SELECT sealed FROM was WHERE was.id = 's')",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			for _, r := range []Record{{Kind: "a", ID: "r"}, {Kind: "a", ID: "s"}, {Kind: "b", ID: "r"}} {
				r.Owner, r.Person, r.Face, r.Expires, r.Body = "p", "p1", true, noon.Add(time.Hour), []byte(r.Kind+r.ID)
				putRecord(t, db, r)
			}
			meddle(t, dir, func(raw *sql.DB) { run(t, raw, strings.Split(do, "; ")...) })
			must(t, at(t, db, noon, func(tx *Tx) error {
				if r, err := tx.Record("a", "r"); !errors.Is(err, seal.ErrSealed) || r.Body != nil {
					t.Errorf("it opens: %#v, %v", r, err)
				}
				return tx.DeleteRecord("a", "r")
			}))
		})
	}
}

// What an API keeps of a person goes with them, and what holds the face with their consent.
func TestRecordsGoWithThePerson(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	body := bytes.Repeat([]byte("portrait "), 500)
	sealed := map[string][]byte{}
	for _, p := range []string{"p1", "p2"} {
		addPerson(t, db, p)
		giveConsent(t, db, p)
		for kind, face := range map[string]bool{"face": true, "call": false} {
			putRecord(t, db, Record{Kind: kind, ID: p, Person: p, Face: face, Body: body})
			var b []byte
			must(t, db.reader.QueryRowContext(t.Context(), "SELECT sealed FROM record WHERE kind = ? AND id = ?", kind, p).Scan(&b))
			sealed[kind+p] = b[2000:2200]
		}
		update(t, db, func(tx *Tx) error {
			return tx.AddWebhook(Webhook{URL: "https://example.org/", Person: p, Body: []byte("about " + p)})
		})
	}
	putRecord(t, db, Record{Kind: "call", ID: "nobody", Body: body})
	left := func() (list []string) {
		rows, err := db.reader.QueryContext(t.Context(), "SELECT kind || id FROM record UNION ALL SELECT 'hook' || person FROM webhook ORDER BY 1")
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var s string
			must(t, rows.Scan(&s))
			list = append(list, s)
		}
		must(t, rows.Err())
		return list
	}
	if names := find(t, dir, []byte("portrait")); names != nil {
		t.Errorf("in the clear in %v", names)
	}
	if find(t, dir, sealed["facep1"]) == nil || find(t, dir, sealed["callp1"]) == nil {
		t.Fatal("the search finds nothing, so it proves nothing")
	}

	update(t, db, func(tx *Tx) error { // who has no template may have a portrait
		n, err := tx.WithdrawConsent("p1")
		if n != 0 {
			t.Errorf("%d templates", n)
		}
		return err
	})
	if diff := cmp.Diff([]string{"callnobody", "callp1", "callp2", "facep2", "hookp1", "hookp2"}, left()); diff != "" {
		t.Errorf("without consent (-want +got)\n%s", diff)
	}
	if names := find(t, dir, sealed["facep1"]); names != nil {
		t.Errorf("the portrait is still in %v", names)
	}
	last, err := db.LastEvent(t.Context())
	must(t, err)
	events, err := db.Events(t.Context(), last-2, 1)
	if err != nil || events[0].Kind != access.KindTemplateRemoved || events[0].Data["records"] != "1" || events[0].Data["why"] != "consent" {
		t.Errorf("event %+v, %v", events, err)
	}

	r, err := db.ErasePerson(t.Context(), act, "p1")
	if err != nil || r.Records != 1 {
		t.Errorf("receipt %+v, %v", r, err)
	}
	if r, err := db.ErasePerson(t.Context(), act, "p2"); err != nil || r.Records != 2 {
		t.Errorf("receipt %+v, %v", r, err)
	}
	if diff := cmp.Diff([]string{"callnobody"}, left()); diff != "" {
		t.Errorf("erased (-want +got)\n%s", diff)
	}
	for what, b := range sealed {
		if names := find(t, dir, b); names != nil {
			t.Errorf("%s is still in %v", what, names)
		}
	}
}

// A deleted record is overwritten at once, an expired one too.
func TestDeletedRecordsAreErased(t *testing.T) {
	for name, do := range map[string]func(tx *Tx) error{
		"deleted": func(tx *Tx) error { return tx.DeleteRecord("a", "1") },
		"expired": func(tx *Tx) error { return errOf(tx.ExpireRecords(noon.Add(2 * time.Hour))) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			putRecord(t, db, Record{Kind: "a", ID: "1", Expires: noon.Add(time.Hour), Body: make([]byte, 9000)})
			var b []byte
			must(t, db.reader.QueryRowContext(t.Context(), "SELECT sealed FROM record").Scan(&b))
			if find(t, dir, b[5000:5200]) == nil {
				t.Fatal("the search finds nothing, so it proves nothing")
			}
			update(t, db, do)
			if names := find(t, dir, b[5000:5200]); names != nil {
				t.Errorf("still in %v", names)
			}
		})
	}
}
