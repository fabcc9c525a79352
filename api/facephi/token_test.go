package facephi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"facegate/api"
)

func key(tb testing.TB, b byte) *tokenKey {
	tb.Helper()
	k, err := newTokenKey(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestTokens(t *testing.T) {
	k := key(t, 1)
	want := api.Template{Model: "m@1", Vector: []float32{.6, -.8}, Masked: true}
	text, serial := k.seal("lab", "001", want)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.open("lab", "001", raw)
	if err != nil || got.serial != serial {
		t.Fatalf("got %v, %v", got, err)
	}
	if d := gocmp.Diff(want, got.template); d != "" {
		t.Error(d)
	}
	refused := func(what string, k *tokenKey, site, user string, raw []byte) {
		t.Helper()
		if _, err := k.open(site, user, raw); !errors.Is(err, errToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("another user", k, "lab", "002", raw)
	refused("another site", k, "shop", "001", raw)
	refused("site and user cut elsewhere", k, "la", "b001", raw)
	refused("another key", key(t, 2), "lab", "001", raw)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		refused(fmt.Sprintf("byte %d changed", i), k, "lab", "001", bad)
		refused(fmt.Sprintf("cut to %d bytes", i), k, "lab", "001", raw[:i])
	}
	if again, _ := k.seal("lab", "001", want); again == text {
		t.Error("two tokens of one template are the same")
	}
	if s := fmt.Sprintf("%v", got.template); strings.Contains(s, "0.6") {
		t.Errorf("a template prints as %s", s)
	}
}

// Whatever a token holds, it is read or refused.
func FuzzToken(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 'm'})
	f.Add([]byte{1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, plain []byte) {
		tpl, err := readTemplate(plain)
		if err == nil && (len(tpl.Vector) == 0 || tpl.Model == "") {
			t.Errorf("got %v", tpl)
		}
		if _, err := key(t, 1).open("lab", "001", plain); err == nil {
			t.Error("a token that nobody sealed was opened")
		}
	})
}

// Whatever a body holds, its members are read or refused.
func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"userId":"001","image":"AAAA","tracking":{"extraData":"x","operationId":7}}`))
	f.Add([]byte(`{"userId":1,"image":null,"tracking":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := api.NewObject(body)
		if err != nil {
			return
		}
		m, err := readFields(o)
		if err != nil {
			return
		}
		var errs []string
		m.userID(&errs)
		errs = nil
		b := m.bytes("image", &errs)
		if m.has("image") && len(b) == 0 && len(errs) == 0 {
			t.Error("a picture of nothing is no error")
		}
		data := map[string]string{}
		m.notes(data, &errs)
		for _, v := range data {
			if len(v) > maxNote {
				t.Errorf("a note of %d bytes", len(v))
			}
		}
	})
}

// What is below a number is not shown at it.
func TestNumbersAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(0, 1).Draw(t, "x")
		b, err := json.Marshal(number(x))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := strconv.ParseFloat(string(b), 64)
		if err != nil || shown > x || x-shown >= 1.0001e-4 || len(b) > 6 {
			t.Errorf("%v is shown as %s: %v", x, b, err)
		}
	})
	for x, want := range map[float64]string{0: "0", 1: "1", .8: "0.8", .79999999999: "0.7999", .9713: "0.9713", 1e-9: "0"} {
		if b, _ := json.Marshal(number(x)); string(b) != want {
			t.Errorf("%v is shown as %s, want %s", x, b, want)
		}
	}
}

// Tokens are known up to a number; the registered one is never forgotten.
func TestTokensAreForgotten(t *testing.T) {
	u := &userState{}
	u.register("first")
	for i := range 3 * maxTokens {
		u.add(fmt.Sprint(i), issued)
	}
	if len(u.Tokens) != maxTokens || u.state("first") != current || u.state("0") != "" || u.state(fmt.Sprint(3*maxTokens-1)) != issued {
		t.Errorf("got %+v", u.Tokens)
	}
	u.register("5000")
	if u.state("first") != superseded || u.state("5000") != current {
		t.Errorf("got %+v", u.Tokens)
	}
}

// No outcome has a code that is deprecated, and every code has a name.
func TestLivenessCodes(t *testing.T) {
	for code := range 19 {
		if name := livenessName(code); (name == "") != (code == 1 || code == 2) {
			t.Errorf("%d is called %q", code, name)
		}
	}
}
