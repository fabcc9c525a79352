package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/store"
)

func code(err error) Code {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return 255
	}
	return e.Code
}

func TestReadObject(t *testing.T) {
	s := &Service{}
	for name, r := range map[string]*http.Request{
		"announced": httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"a":"bcd"}`)),
		"chunked":   httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"a":`), strings.NewReader(`"bcd"}`))),
	} {
		_, leave, err := s.ReadObject(r, 10)
		if leave(); code(err) != TooLarge {
			t.Errorf("%s: got %v, want too large", name, err)
		}
	}
	o, leave, err := s.ReadObject(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"a":"bc"}`)), 10)
	defer leave()
	var v struct {
		A string `json:"a"`
	}
	if err != nil || o.Decode(&v) != nil || v.A != "bc" {
		t.Errorf("a body of the limit: %+v, %v", v, err)
	}
	cut := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"a":"`))
	cut.ContentLength = 10
	_, leave, err = s.ReadObject(cut, 10)
	if leave(); code(err) != Malformed {
		t.Errorf("a body that ends early: got %v", err)
	}
}

func TestDecode(t *testing.T) {
	var v struct {
		A string
		B struct{ A string }
	}
	for name, body := range map[string]string{
		"empty": "", "an array": `[]`, "a text": `"a"`, "two objects": `{}{}`, "cut": `{"a":`, "a field twice": `{"a":"1","a":"2"}`,
		"a field twice deep down": `{"x":[{"y":1,"y":2}]}`, "not UTF-8": "{\"a\":\"\xff\"}", "a wrong type": `{"A":1}`,
		"too deep": strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), "very deep": strings.Repeat(`[`, 10000),
	} {
		if err := Decode([]byte(body), &v); code(err) != Malformed {
			t.Errorf("%s: got %v, want malformed", name, err)
		}
	}
	if err := Decode([]byte(`{"a":"x","A":"y"}`), &v); err != nil || v.A != "y" {
		t.Errorf("names that differ in case: %q, %v", v.A, err)
	}
	for name, body := range map[string]string{
		"unknown fields": `{"x":1,"A":"y"}`, "a name at two places": `{"A":"1","B":{"A":"2"},"x":[{"A":1},{"A":2}]}`,
		"deep enough": strings.Repeat(`{"x":`, 31) + "{}" + strings.Repeat("}", 31), "blanks": " \n{} ",
	} {
		if err := Decode([]byte(body), &v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var v map[string]any
		if err := Decode(body, &v); err != nil && code(err) != Malformed {
			t.Errorf("%q: %v", body, err)
		}
	})
}

func TestKeys(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(dir, "db"), KeyFile: filepath.Join(dir, "key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var key store.Key
	var secret string
	act := store.Act{At: time.Now(), Source: "test"}
	err = db.Update(ctx, act, func(tx *store.Tx) (err error) {
		key, secret, err = tx.AddKey(store.Key{Name: "desk", API: "lapis", Scopes: []string{"read"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, now := NewKeys(db), time.Now()
	for _, tt := range []struct {
		name, secret, api, scope string
		want                     Code
	}{
		{"none", "", "lapis", "read", NoKey},
		{"made up", "x" + secret[1:], "lapis", "read", UnknownKey},
		{"of another API", secret, "argos", "read", UnknownKey},
		{"without the scope", secret, "lapis", "enrol", NoScope},
	} {
		if _, err := keys.Authenticate(ctx, tt.secret, tt.api, tt.scope, now); code(err) != tt.want {
			t.Errorf("%s: got %v, want code %d", tt.name, err, tt.want)
		}
	}
	now = now.Add(time.Minute)
	for i := range 20 {
		if got, err := keys.Authenticate(ctx, secret, "lapis", "read", now); err != nil || got.ID != key.ID {
			t.Fatalf("call %d: %v, %v", i+1, got, err)
		}
	}
	_, err = keys.Authenticate(ctx, secret, "lapis", "read", now)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != TooMany || e.RetryAfter <= 0 || e.RetryAfter > 100*time.Millisecond {
		t.Errorf("the 21st call at once: got %v", err)
	}
	if _, err := keys.Authenticate(ctx, secret, "lapis", "read", now.Add(100*time.Millisecond)); err != nil {
		t.Errorf("a tenth of a second later: %v", err)
	}
	for range 5 {
		if err := keys.Try("ada", now); err != nil {
			t.Error(err)
		}
	}
	if err := keys.Try("ada", now); code(err) != TooMany {
		t.Errorf("the sixth try for one person: got %v", err)
	}
	for _, other := range []error{keys.Try("bob", now), keys.TryOther("ada", now), keys.TryOther("person ada", now)} {
		if other != nil {
			t.Errorf("another person, or a thing of their name: %v", other)
		}
	}
	calls := 0
	for i := range 100 {
		for keys.Call(key, fmt.Sprint("token", i), now) == nil {
			calls++
		}
	}
	if calls != 200 {
		t.Errorf("the holders of a key's tokens may make %d calls at once, want ten times the key's", calls)
	}
	if err := db.Update(ctx, act, func(tx *store.Tx) error { _, err := tx.RevokeKey(key.ID); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(ctx, secret, "lapis", "read", now.Add(time.Minute)); code(err) != UnknownKey {
		t.Errorf("a revoked key: got %v", err)
	}
}

// A call that panics is one failed call. An address that is taken is told of, and served once
// it is free.
func TestServer(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("broken") })
	mux.HandleFunc("GET /ok", func(w http.ResponseWriter, _ *http.Request) { JSON(w, 200, map[string]int{"a": 1}) })
	down := make(chan error, 16)
	s := &Server{Listen: taken.Addr().String(), Mux: mux, Log: slog.New(slog.DiscardHandler), Down: func(err error) { down <- err }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-s.Ready()
	if err := <-down; err == nil {
		t.Fatal("an address that is taken is served")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	for err := range down {
		if err == nil {
			break
		}
	}
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body) // what there is
		return resp.StatusCode, string(body)
	}
	if status, _ := get("/panic"); status != 500 {
		t.Errorf("a call that panics: got %d", status)
	}
	if status, body := get("/ok"); status != 200 || body != `{"a":1}` {
		t.Errorf("the next call: got %d %s", status, body)
	}
}
