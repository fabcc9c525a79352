package faceguard_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api/apitest"
	"facegate/api/faceguard"
	"facegate/store"
)

// Tokens and codes end with their time, their session and their customer.
func TestEnds(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	frames := [][]byte{f.A2(), f.A3(), f.A4()}

	portal, session := c.begin("user_a")
	code := c.call("POST", "/faceguard/short-code", portal, nil)
	golden(t, code, 200, `{"status_code":200,"message":"Short code created","data":{"code":"<string>","expires_at":"<time>"}}`)
	if !regexp.MustCompile(`^[A-HJ-NP-Z2-9]{8}$`).MatchString(c.text(code, "code")) {
		t.Errorf("code %s", code.Body)
	}
	at, err := time.Parse(time.RFC3339, c.text(code, "expires_at"))
	if err != nil || time.Until(at) > 5*time.Minute || time.Until(at) < 4*time.Minute {
		t.Errorf("expires at %v, %v", at, err)
	}
	c.s.Expire(t, "faceguard.code", "door")
	golden(t, c.call("GET", "/faceguard/short-code?code="+c.text(code, "code"), "", nil), 404, notFound)
	golden(t, c.call("PUT", "/faceguard/short-code", portal, nil), 200, `{"status_code":200,"message":"Short code created","data":{"code":"<string>","expires_at":"<time>"}}`)

	c.s.Expire(t, "faceguard.session", "door")
	golden(t, c.capture(session, frames...), 404, notFound)
	c.s.Expire(t, "faceguard.portal", "door")
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 404, notFound)

	_, session = c.begin("user_a")
	c.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.ChangePerson("user_a", "blocked", func(p *access.Person) error { p.Blocked = true; return nil })
		return err
	})
	golden(t, c.capture(session, frames...), 404, notFound)
	golden(t, c.call("POST", "/faceguard/session/portal", c.key, portalBody("door", "user_a")), 404, notFound)
}

// An administrator who erases a person revokes their sessions, and nobody else's.
func TestErasedCustomer(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	portal, session := c.begin("user_a")
	code := c.text(c.call("POST", "/faceguard/short-code", portal, nil), "code")
	other, _ := c.begin("user_new")
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, `{"status_code":200,"message":"Session status","data":{"status":`+inProgress+`}}`)

	if _, err := c.s.DB.ErasePerson(t.Context(), store.Act{At: time.Now(), Clock: access.ClockSynced, Source: access.SourceAdmin("test")}, "user_a"); err != nil {
		t.Fatal(err)
	}
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 404, notFound)
	golden(t, c.call("POST", "/faceguard/session", portal, nil), 404, notFound)
	golden(t, c.call("GET", "/faceguard/app/config", portal, nil), 404, notFound)
	golden(t, c.call("POST", "/faceguard/short-code", portal, nil), 404, notFound)
	golden(t, c.call("GET", "/faceguard/short-code?code="+code, "", nil), 404, notFound)
	golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 404, notFound)
	golden(t, c.call("POST", "/faceguard/session/portal", c.key, portalBody("door", "user_a")), 404, notFound)
	golden(t, c.call("GET", "/faceguard/session/status", other, nil), 200, `{"status_code":200,"message":"Session status","data":{"status":`+inProgress+`}}`)
}

// An administrator who deletes a workflow ends its tokens: nobody signed them any more.
func TestDeletedWorkflow(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	portal, session := c.begin("user_a")
	code := c.text(c.call("POST", "/faceguard/short-code", portal, nil), "code")
	c.s.Update(t, func(tx *store.Tx) error { return tx.DeleteProject(store.APIFaceguard, "door") })
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 401, unauthorized)
	golden(t, c.call("POST", "/faceguard/session", portal, nil), 401, unauthorized)
	golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 401, unauthorized)
	golden(t, c.call("GET", "/faceguard/short-code?code="+code, "", nil), 404, notFound)
	golden(t, c.call("POST", "/faceguard/session/portal", c.key, portalBody("door", "user_a")), 404, notFound)

	// One of the same name has another secret.
	setWorkflow(t, c.s, "door", faceguard.NewWorkflow())
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 401, unauthorized)
}

// Whoever is barred after their token was made is no customer any more, until they are again.
func TestBarredMeanwhile(t *testing.T) {
	f := apitest.NewFaces(t)
	for name, bar := range map[string]func(*access.Person){
		"blocked":         func(p *access.Person) { p.Blocked = true },
		"not yet valid":   func(p *access.Person) { p.ValidFrom = time.Now().Add(time.Hour) },
		"no longer valid": func(p *access.Person) { p.ValidUntil = time.Now().Add(-time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, apitest.Options{})
			c.s.Enrol(t, "user_a", f.A1())
			change := func(what string, to func(*access.Person)) {
				c.s.Update(t, func(tx *store.Tx) error {
					_, err := tx.ChangePerson("user_a", what, func(p *access.Person) error { to(p); return nil })
					return err
				})
			}
			fresh := c.portal("user_a") // which has no session yet
			portal, session := c.begin("user_a")
			code := c.text(c.call("POST", "/faceguard/short-code", portal, nil), "code")

			change("barred", bar)
			golden(t, c.call("POST", "/faceguard/session", fresh, nil), 404, notFound)
			golden(t, c.call("POST", "/faceguard/session", portal, nil), 404, notFound)
			golden(t, c.call("GET", "/faceguard/app/config", portal, nil), 404, notFound)
			golden(t, c.call("POST", "/faceguard/short-code", fresh, nil), 404, notFound)
			golden(t, c.call("POST", "/faceguard/short-code", portal, nil), 404, notFound)
			golden(t, c.call("PUT", "/faceguard/short-code", portal, nil), 404, notFound)
			golden(t, c.call("GET", "/faceguard/short-code?code="+code, "", nil), 404, notFound)
			golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 404, notFound)

			change("admitted", func(p *access.Person) { p.Blocked, p.ValidFrom, p.ValidUntil = false, time.Time{}, time.Time{} })
			golden(t, c.call("GET", "/faceguard/session/status", fresh, nil), 404, notFound) // none was begun meanwhile
			a := c.call("GET", "/faceguard/short-code?code="+code, "", nil)
			golden(t, a, 200, `{"status_code":200,"message":"Short code redeemed","data":{"token":"<string>"}}`)
			golden(t, c.capture(c.text(a, "token"), f.A2(), f.A3(), f.A4()), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
		})
	}
}

// Tokens are signed JSON web tokens that hold for half an hour, each with a type and an id of its own.
func TestTokensAsSent(t *testing.T) {
	c := newClient(t, apitest.Options{})
	portal, first := c.begin("user_new")
	second := c.text(c.call("POST", "/faceguard/session", portal, nil), "token")
	type said struct {
		Type     string `json:"typ"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	read := func(token string) (s said) {
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("a token of %d parts", len(parts))
		}
		for i, want := range []string{`{"typ":"JWT","alg":"EdDSA"}`, ""} {
			text, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil || want != "" && string(text) != want {
				t.Errorf("%s: %v", text, err)
			}
			if err := json.Unmarshal(text, &s); err != nil {
				t.Error(err)
			}
		}
		if strings.Contains(token, "user_new") || s.ID == "" {
			t.Errorf("the token says %+v", s)
		}
		return s
	}
	p, s1, s2 := read(portal), read(first), read(second)
	if p.Expires-p.IssuedAt != 30*60 {
		t.Errorf("the portal token holds for %d s", p.Expires-p.IssuedAt)
	}
	if left := time.Until(time.Unix(p.Expires, 0)); left > 30*time.Minute || left < 29*time.Minute {
		t.Errorf("the portal token holds for another %v", left)
	}
	if s1.Expires != p.Expires || s2.Expires != p.Expires {
		t.Errorf("the session tokens end at %d and %d, the portal token at %d", s1.Expires, s2.Expires, p.Expires)
	}
	if s1.Type != s2.Type || s1.Type == p.Type || s1.ID == s2.ID || s1.ID == p.ID || s2.ID == p.ID {
		t.Errorf("tokens that are not told apart: %+v %+v %+v", p, s1, s2)
	}
}

// A page that is loaded again and again leaves no more tokens behind than four.
func TestOldTokensEnd(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	portal, first := c.begin("user_a")
	var hold []string
	for range 4 {
		hold = append(hold, c.text(c.call("POST", "/faceguard/session", portal, nil), "token"))
	}
	golden(t, c.capture(first, f.A2(), f.A3(), f.A4()), 401, unauthorized)
	for _, session := range hold {
		golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
	}
}

func TestRevokedKeyEndsItsTokens(t *testing.T) {
	c := newClient(t, apitest.Options{})
	k, secret := c.s.Key(t, store.Key{API: store.APIFaceguard, Scopes: []string{store.ScopeAuthenticate}})
	c.key = secret
	portal, session := c.begin("user_new")
	code := c.text(c.call("POST", "/faceguard/short-code", portal, nil), "code")
	c.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.RevokeKey(k.ID)
		return err
	})
	golden(t, c.call("POST", "/faceguard/session", portal, nil), 401, unauthorized)
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 401, unauthorized)
	golden(t, c.call("PUT", "/faceguard/short-code", portal, nil), 401, unauthorized)
	golden(t, c.call("GET", "/faceguard/short-code?code="+code, "", nil), 401, unauthorized)
	golden(t, c.capture(session), 401, unauthorized)
}
