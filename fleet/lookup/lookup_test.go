package lookup

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facegate/access"
)

func vec(numbers ...float32) string {
	var b []byte
	for _, x := range numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

func answer(id, model, vec string) string {
	return fmt.Sprintf(`{"id":%q,"templates":[{"model":%q,"vec":%q,"masked":true}],"more":1}`, id, model, vec)
}

// site is a central site that asks for a certificate, and a client that has one.
func site(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kiosk-1"}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	known.AddCert(own)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}
	s.StartTLS()
	t.Cleanup(s.Close)
	c, err := New(Options{
		URL: s.URL + "/v1/people/", CA: write("ca.pem", "CERTIFICATE", s.Certificate().Raw),
		Cert: write("cert.pem", "CERTIFICATE", der), Key: write("key.pem", "PRIVATE KEY", private),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTemplates(t *testing.T) {
	c := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != "kiosk-1" || r.URL.EscapedPath() != "/v1/people/a%2F7" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(w, answer("a/7", "m@1", vec(.6, -.8)))
	})
	list, err := c.Templates(t.Context(), "a/7")
	if err != nil || len(list) != 1 || list[0].Model != "m@1" || !list[0].Masked || !slices.Equal(list[0].Vector, []float32{.6, -.8}) {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := c.Templates(t.Context(), "b"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("somebody unknown: %v", err)
	}
}

// What is no answer is none, whatever it looks like.
func TestRubbish(t *testing.T) {
	nan := float32(math.NaN())
	for name, h := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"an error":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusInternalServerError) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"half":       func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"cut JSON":   send(`{"id":"a"`), "another form": send(`{"id":7}`), "somebody else": send(answer("b", "m", vec(1))), "no model": send(answer("a", "", vec(1))),
		"not of unit length": send(answer("a", "m", vec(1, 1))), "no numbers": send(answer("a", "m", "")), "no number": send(answer("a", "m", vec(nan))),
		"half a number": send(answer("a", "m", "AAA=")), "no base64": send(answer("a", "m", "?")),
		"too many": send(`{"id":"a","templates":[` + strings.Repeat(`{},`, maxTemplates) + `{}]}`), "too long": send(`{"id":"a","x":"` + strings.Repeat("x", maxBytes) + `"}`),
	} {
		c := site(t, h)
		if list, err := c.Templates(t.Context(), "a"); !errors.Is(err, ErrAnswer) || list != nil {
			t.Errorf("%s: got %v, %v", name, list, err)
		} else if strings.Contains(err.Error(), "@") {
			t.Errorf("%s: the error quotes what came: %v", name, err)
		}
	}
	hung := make(chan struct{})
	c := site(t, func(http.ResponseWriter, *http.Request) { <-hung })
	defer close(hung)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Templates(ctx, "a"); !errors.Is(err, ErrAnswer) {
		t.Errorf("no answer: %v", err)
	}
}

func send(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}
}

// A site that is not who it says is told nothing.
func TestStranger(t *testing.T) {
	asked := false
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	c, err := New(Options{URL: s.URL}) // the system knows no such authority
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Templates(t.Context(), "a"); !errors.Is(err, ErrAnswer) || asked {
		t.Errorf("got %v, asked %v", err, asked)
	}
	for _, ca := range []string{filepath.Join(t.TempDir(), "absent"), "lookup.go"} {
		if _, err := New(Options{URL: s.URL, CA: ca}); err == nil {
			t.Errorf("%s is taken for certificates", ca)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(answer("a", "m", vec(.6, .8))))
	f.Add([]byte(`{"id":"a"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parse("a", body)
		for _, x := range list {
			if err != nil || x.Model == "" || len(x.Vector) == 0 {
				t.Errorf("got %+v, %v", x, err)
			}
		}
	})
}
