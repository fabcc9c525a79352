package store

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

func addKey(tb testing.TB, db *DB, k Key) (Key, string) {
	tb.Helper()
	var secret string
	update(tb, db, func(tx *Tx) (err error) {
		k, secret, err = tx.AddKey(k)
		return err
	})
	return k, secret
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	scopes := []string{ScopeRead, ScopeEnrol}
	k, secret := addKey(t, db, Key{ID: "mine", API: APILapis, Project: "p", Name: "lobby", Scopes: scopes, Consent: "v3", Rate: 30, Revoked: noon, Author: "me"})
	scopes[0] = ScopeUnlock // the caller's own
	want := Key{ID: k.ID, API: APILapis, Project: "p", Name: "lobby", Scopes: []string{ScopeRead, ScopeEnrol}, Consent: "v3", Rate: 30, Created: noon, Author: act.Source}
	if diff := cmp.Diff(want, k); diff != "" || len(k.ID) != 8 || k.Label() != "lobby" {
		t.Errorf("label %s (-want +got)\n%s", k.Label(), diff)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(raw) != 32 {
		t.Errorf("secret of %d bytes, %v", len(raw), err)
	}
	got, err := db.KeyBySecret(t.Context(), secret)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("by secret: %v (-want +got)\n%s", err, diff)
	}
	other, sk := addKey(t, db, Key{API: APIBaf, Scopes: []string{ScopeAuthenticate}})
	if !strings.HasPrefix(sk, "sk_") || sk[3:] == secret || other.ID == k.ID || other.Label() != other.ID {
		t.Errorf("the key of baf: %v", other)
	}
	if got, err := db.KeyBySecret(t.Context(), sk); err != nil || got.ID != other.ID {
		t.Errorf("by its secret: %v, %v", got, err)
	}
	for name, s := range map[string]string{
		"none": "", "part": secret[:42], "without what it begins with": sk[3:], "the hash": string(hashSecret(secret)), "too long": secret + strings.Repeat(" ", 1<<20),
		"other case": strings.ToUpper(secret),
	} {
		if got, err := db.KeyBySecret(t.Context(), s); !errors.Is(err, access.ErrNotFound) || got.ID != "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, s := range Scopes() {
		if k.Allows(s) != (s == ScopeRead || s == ScopeEnrol) {
			t.Errorf("scope %s: %v", s, k.Allows(s))
		}
	}

	update(t, db, func(tx *Tx) error { _, err := tx.RevokeKey(k.ID); return err })
	if got, err := db.KeyBySecret(t.Context(), secret); !errors.Is(err, access.ErrNotFound) || got.ID != "" {
		t.Errorf("a revoked key: %v, %v", got, err)
	}
	for _, id := range []string{k.ID, "none"} {
		err := db.Update(t.Context(), act, func(tx *Tx) error { _, err := tx.RevokeKey(id); return err })
		if !errors.Is(err, access.ErrNotFound) {
			t.Errorf("revoking %s: %v", id, err)
		}
	}
	want.Revoked = noon
	list, err := db.Keys(t.Context())
	if err != nil || len(list) != 2 || !cmp.Equal(list[0], want) && !cmp.Equal(list[1], want) {
		t.Errorf("keys: %+v, %v", list, err)
	}
	if want.Allows(ScopeRead) {
		t.Error("a revoked key allows something")
	}
	events, err := db.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 3 {
		t.Fatalf("events: %v, %v", events, err)
	}
	data := map[string]string{"use": "api", "id": k.ID, "api": "lapis", "project": "p", "name": "lobby", "scopes": "read,enrol", "consent": "v3", "rate": "30"}
	if events[0].Kind != access.KindKeyCreated || events[2].Kind != access.KindKeyRevoked || !cmp.Equal(data, events[0].Data) || !cmp.Equal(data, events[2].Data) {
		t.Errorf("events: %+v", events)
	}
	must(t, db.Close())
	for _, s := range []string{secret, sk, sk[3:], "lobby"} {
		names := find(t, dir, []byte(s))
		if s != "lobby" && names != nil || s == "lobby" && names == nil { // the trail names it
			t.Errorf("%s is in %v", s, names)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	db := open(t, t.TempDir())
	read := []string{ScopeRead}
	addKey(t, db, Key{API: APINative, Name: "taken", Scopes: read})
	for name, tt := range map[string]struct {
		key  Key
		want error
	}{
		"no API":                {Key{Scopes: read}, access.ErrInvalid},
		"another API":           {Key{API: "Argos", Scopes: read}, access.ErrInvalid},
		"no scope":              {Key{API: APINative}, access.ErrInvalid},
		"another scope":         {Key{API: APINative, Scopes: []string{"root"}}, access.ErrInvalid},
		"too often":             {Key{API: APINative, Scopes: read, Rate: 1001}, access.ErrInvalid},
		"no door":               {Key{API: APINative, Scopes: []string{"unlock:"}}, access.ErrInvalid},
		"a scope twice":         {Key{API: APINative, Scopes: []string{ScopeRead, ScopeRead}}, access.ErrInvalid},
		"a long name":           {Key{API: APINative, Scopes: read, Name: strings.Repeat("x", 65)}, access.ErrInvalid},
		"a line break":          {Key{API: APINative, Scopes: read, Project: "a\nb"}, access.ErrInvalid},
		"no UTF-8":              {Key{API: APINative, Scopes: read, Consent: "\xff"}, access.ErrInvalid},
		"a name twice":          {Key{API: APILapis, Scopes: read, Name: "taken"}, access.ErrExists},
		"argos without project": {Key{API: APIArgos, Scopes: read}, access.ErrInvalid},
		"no such project":       {Key{API: APIArgos, Scopes: read, Project: "p"}, access.ErrNotFound},
	} {
		err := db.Update(t.Context(), act, func(tx *Tx) error {
			k, secret, err := tx.AddKey(tt.key)
			if secret != "" || k.ID != "" {
				t.Errorf("%s: it comes with a key", name)
			}
			return err
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	update(t, db, func(tx *Tx) error {
		_, err := tx.SetProject(Project{API: APIArgos, Name: "p", Settings: []byte("{}")})
		return err
	})
	addKey(t, db, Key{API: APIArgos, Scopes: read, Project: "p"})
}

// Whoever can write the database and has not the store's key makes no key and widens none.
func TestDamagedKeys(t *testing.T) {
	for name, do := range map[string]string{
		"another's rights":    `CREATE TEMP TABLE was AS SELECT * FROM api_key; UPDATE api_key SET sealed = (SELECT sealed FROM was WHERE was.id <> api_key.id)`,
		"another's hash":      `CREATE TEMP TABLE was AS SELECT * FROM api_key; UPDATE api_key SET hash = NULL; UPDATE api_key SET hash = (SELECT hash FROM was WHERE was.id <> api_key.id)`,
		"another id":          `UPDATE api_key SET id = id || 'x'`,
		"emptied":             `UPDATE api_key SET sealed = x''`,
		"revoked and not now": `UPDATE api_key SET hash = x'00' WHERE hash IS NULL; UPDATE api_key SET sealed = x'01'`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			_, one := addKey(t, db, Key{API: APINative, Scopes: []string{ScopeRead}})
			_, two := addKey(t, db, Key{API: APINative, Scopes: Scopes()})
			meddle(t, dir, func(raw *sql.DB) { run(t, raw, strings.Split(do, "; ")...) })
			for _, secret := range []string{one, two} {
				if k, err := db.KeyBySecret(t.Context(), secret); err == nil || k.ID != "" {
					t.Errorf("it is accepted: %+v", k)
				}
			}
			list, err := db.Keys(t.Context())
			if err != nil || len(list) != 2 {
				t.Fatalf("%v, %v", list, err)
			}
			for _, k := range list {
				if k.API != "" || k.Allows(ScopeRead) {
					t.Errorf("it is worth something: %+v", k)
				}
			}
			update(t, db, func(tx *Tx) error { _, err := tx.RevokeKey(list[0].ID); return err })
		})
	}
}

func TestNoKeyNameIsLogged(t *testing.T) {
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", Key{ID: "abc", Name: "lobby"}, "project", Project{API: "argos", Name: "p", Secret: "s3cret"},
		"record", Record{Kind: "k", ID: "1", Body: []byte("s3cret")}, "webhook", Webhook{ID: "w1", URL: "https://s3cret", Body: []byte("s3cret")})
	for _, x := range []any{Project{API: "argos", Name: "p", Secret: "s3cret"}, Record{Kind: "k", ID: "1", Body: []byte("s3cret")}, Webhook{ID: "w1", URL: "https://s3cret", Body: []byte("s3cret")}} {
		fmt.Fprintf(&out, " %v %+v %#v %s %x", x, x, x, x, x)
	}
	if s := out.String(); strings.Contains(s, "lobby") || strings.Contains(s, "s3cret") || strings.Contains(s, "733363") || !strings.Contains(s, "abc") {
		t.Errorf("logged: %s", s)
	}
}

func TestUnlocks(t *testing.T) {
	for scopes, doors := range map[string]string{"unlock": "main back", "unlock:main": "main", "unlock:back,read": "back", "read,enrol": ""} {
		k := Key{Scopes: strings.Split(scopes, ",")}
		for _, door := range []string{"main", "back"} {
			if got := k.Unlocks(door); got != strings.Contains(doors, door) {
				t.Errorf("%s opens %s: %v", scopes, door, got)
			}
		}
		if k.Revoked = noon; k.Unlocks("main") {
			t.Errorf("%s opens a door after it was revoked", scopes)
		}
	}
}
