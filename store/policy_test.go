package store

import (
	"database/sql"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/store/seal"
)

func TestPolicy(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := db.Policy(t.Context()); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("no policy: %v", err)
	}
	for i, body := range []string{"[site]\n", "", strings.Repeat("é", maxText/2)} {
		update(t, db, func(tx *Tx) error {
			rev, err := tx.SetPolicy(body)
			if rev != uint64(i+1) {
				t.Errorf("revision %d, want %d", rev, i+1)
			}
			return err
		})
		got, err := open(t, dir).Policy(t.Context())
		if diff := cmp.Diff(Policy{uint64(i + 1), body, act.Source, noon}, got); diff != "" || err != nil {
			t.Errorf("policy %d: %v (-want +got)\n%.500s", i+1, err, diff)
		}
		if rev, err := db.PolicyRevision(t.Context()); rev != uint64(i+1) || err != nil {
			t.Errorf("PolicyRevision: %d, %v", rev, err)
		}
	}
	if p, err := db.PolicyAt(t.Context(), 1); p.Body != "[site]\n" || err != nil {
		t.Errorf("the first policy: %+v, %v", p, err)
	}
	if _, err := db.PolicyAt(t.Context(), 4); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("one that never was: %v", err)
	}
	all, err := db.Policies(t.Context())
	if diff := cmp.Diff([]Policy{{3, "", act.Source, noon}, {2, "", act.Source, noon}, {1, "", act.Source, noon}}, all); diff != "" || err != nil {
		t.Errorf("Policies: %v (-want +got)\n%s", err, diff)
	}
	events, err := db.Events(t.Context(), 0, 10)
	must(t, err)
	want := map[string]string{"sha256": "8dee708104e53a548c4057ecea5fc89512d1ae08b5e9f672ee292a3bd28a21ee"} // of "[site]" and a line break
	if e := events[0]; e.Kind != access.KindPolicyChanged || e.Policy != 1 || !maps.Equal(e.Data, want) {
		t.Errorf("event: %+v", e)
	}
	for name, body := range map[string]string{"too long": strings.Repeat("x", maxText+1), "not UTF-8": "\xff"} {
		err := db.Update(t.Context(), act, func(tx *Tx) error { _, err := tx.SetPolicy(body); return err })
		if !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nobody without the key changes what the policy says, or puts an older one in its place.
func TestPolicyThatWasAltered(t *testing.T) {
	for name, do := range map[string]string{
		"an older text":           "UPDATE policy SET sealed = (SELECT sealed FROM policy WHERE rev = 1) WHERE rev = 2",
		"an older one renumbered": "UPDATE policy SET rev = 3 WHERE rev = 1",
		"emptied":                 "UPDATE policy SET sealed = x''",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			for _, body := range []string{"old", "new"} {
				update(t, db, func(tx *Tx) error { _, err := tx.SetPolicy(body); return err })
			}
			meddle(t, dir, func(raw *sql.DB) { run(t, raw, do) })
			if p, err := db.Policy(t.Context()); !errors.Is(err, seal.ErrSealed) {
				t.Errorf("got %+v, %v, want %v", p, err, seal.ErrSealed)
			}
		})
	}
}
