package fetch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// certificate is one of its own making for some names.
func certificate(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// serve has a server answer for img.example.org and evil.example.org, at addresses of the
// resolver's choice, of which the connection goes to the server whatever they are.
func serve(t *testing.T, h http.Handler, resolve map[string]string) (*Fetcher, *[]string) {
	t.Helper()
	cert, roots := certificate(t, "img.example.org", "evil.example.org", "inside.example.org")
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	var dialed []string
	return &Fetcher{
		Hosts: []string{"IMG.example.org", "inside.example.org"},
		Roots: roots,
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			text, ok := resolve[strings.ToLower(host)]
			if !ok {
				return nil, errors.New("no such host")
			}
			var list []netip.Addr
			for a := range strings.FieldsSeq(text) {
				list = append(list, netip.MustParseAddr(a))
			}
			return list, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialed = append(dialed, address)
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}, &dialed
}

func TestGet(t *testing.T) {
	picture := bytes.Repeat([]byte("x"), 1000)
	mux := http.NewServeMux()
	mux.HandleFunc("/a.jpg", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(picture) })
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		for range 4 {
			_, _ = w.Write(picture[:300])
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/absent", http.NotFound)
	redirect := func(path, to string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	redirect("/1", "/a.jpg")
	redirect("/2", "/1")
	redirect("/3", "/2")
	redirect("/4", "/3")
	redirect("/evil", "https://evil.example.org/a.jpg")
	redirect("/inside", "https://inside.example.org/a.jpg")
	redirect("/plain", "http://img.example.org/a.jpg")
	redirect("/file", "file:///etc/passwd")
	redirect("/port", "https://img.example.org:8443/a.jpg")
	f, dialed := serve(t, mux, map[string]string{
		"img.example.org": "93.184.215.14", "evil.example.org": "93.184.215.15", "inside.example.org": "10.0.0.7",
	})
	for _, tt := range []struct {
		url  string
		want error // nil: the picture
	}{
		{"https://img.example.org/a.jpg", nil},
		{"https://IMG.EXAMPLE.ORG:443/a.jpg?size=1#part", nil},
		{"https://img.example.org/3", nil},
		{"https://img.example.org/4", ErrRefused},
		{"https://img.example.org/evil", ErrRefused},
		{"https://img.example.org/inside", ErrRefused},
		{"https://img.example.org/plain", ErrRefused},
		{"https://img.example.org/file", ErrRefused},
		{"https://img.example.org/port", ErrRefused},
		{"https://img.example.org/chunked", ErrTooLarge},
		{"https://inside.example.org/a.jpg", ErrRefused},
		{"https://evil.example.org/a.jpg", ErrRefused},
		{"https://sub.img.example.org/a.jpg", ErrRefused},
		{"https://img.example.org@evil.example.org/", ErrRefused},
		{"https://me:secret@img.example.org/a.jpg", ErrRefused},
		{"http://img.example.org/a.jpg", ErrRefused},
		{"https://img.example.org:80/a.jpg", ErrRefused},
		{"https://93.184.215.14/a.jpg", ErrRefused},
		{"https://[::1]/a.jpg", ErrRefused},
		{"https:img.example.org", ErrRefused},
		{"//img.example.org/a.jpg", ErrRefused},
		{"https:///a.jpg", ErrRefused},
		{"", ErrRefused},
		{"https://img.example.org/\n", ErrRefused},
		{"https://img.example.org/" + strings.Repeat("x", maxURL), ErrRefused},
	} {
		got, err := f.Get(t.Context(), tt.url, 1000)
		if tt.want == nil && (err != nil || !bytes.Equal(got, picture)) || !errors.Is(err, tt.want) {
			t.Errorf("%q: %d bytes, %v; want %v", tt.url, len(got), err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells it: %v", tt.url, err)
		}
	}
	if _, err := f.Get(t.Context(), "https://img.example.org/a.jpg", 999); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := f.Get(t.Context(), "https://img.example.org/absent", 999); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("what is not there: %v", err)
	}
	for _, a := range *dialed {
		if a != "93.184.215.14:443" {
			t.Errorf("a connection was made to %s", a)
		}
	}
	if _, err := (*Fetcher)(nil).Get(t.Context(), "https://img.example.org/a.jpg", 1000); !errors.Is(err, ErrRefused) {
		t.Errorf("no fetcher: %v", err)
	}
	if _, err := new(Fetcher).Get(t.Context(), "https://img.example.org/a.jpg", 1000); !errors.Is(err, ErrRefused) {
		t.Errorf("the zero fetcher: %v", err)
	}
}

// TestRebinding resolves a name anew for every connection and looks at all of its addresses.
func TestRebinding(t *testing.T) {
	f, dialed := serve(t, http.NotFoundHandler(), map[string]string{"img.example.org": "93.184.215.14 127.0.0.1"})
	if _, err := f.Get(t.Context(), "https://img.example.org/", 10); !errors.Is(err, ErrRefused) {
		t.Errorf("a name that means this machine too: %v", err)
	}
	first := true
	f.Resolve = func(context.Context, string) ([]netip.Addr, error) {
		if first {
			first = false
			return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}
	f2, _ := serve(t, http.RedirectHandler("https://img.example.org/again", http.StatusFound), nil)
	f2.Resolve = f.Resolve
	if _, err := f2.Get(t.Context(), "https://img.example.org/", 10); !errors.Is(err, ErrRefused) {
		t.Errorf("a name that changes its mind: %v", err)
	}
	if len(*dialed) != 0 {
		t.Errorf("connections to %v", *dialed)
	}
}

// TestSlow ends after the time that a call may take.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Fetcher{
			Hosts: []string{"img.example.org"},
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
			},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				t.Cleanup(func() { _ = there.Close() })
				return here, nil // nobody answers
			},
		}
		begin := time.Now()
		_, err := f.Get(t.Context(), "https://img.example.org/", 10)
		if took := time.Since(begin); err == nil || took != Timeout {
			t.Errorf("%v after %v, want an error after %v", err, took, Timeout)
		}
	})
}

func TestStranger(t *testing.T) {
	f, _ := serve(t, http.NotFoundHandler(), map[string]string{"img.example.org": "93.184.215.14"})
	f.Roots = x509.NewCertPool()
	if _, err := f.Get(t.Context(), "https://img.example.org/", 10); err == nil {
		t.Error("a server that is not trusted was read")
	}
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.215.14": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true, "::ffff:93.184.215.14": true,
		"127.0.0.1": false, "127.9.9.9": false, "0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "100.64.0.1": false, "169.254.169.254": false, "192.0.0.1": false, "198.18.0.1": false, "224.0.0.1": false,
		"255.255.255.255": false, "240.0.0.1": false, "192.0.2.1": false, "::": false, "::1": false, "fe80::1": false, "fc00::1": false, "fd12::1": false,
		"ff02::1": false, "::ffff:10.0.0.1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
		"2001::1": false, "2001:db8::1": false, "fe80::1%eth0": false, "fec0::1": false,
	} {
		if got := Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"https://img.example.org/", "https://img.example.org.:443/a?b#c", "http://x", "https://[::1%25x]/", "https://\x00"} {
		f.Add(s)
	}
	fetcher := &Fetcher{Hosts: []string{"img.example.org"}}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := fetcher.check(text)
		if err == nil && (u.Scheme != "https" || !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), "img.example.org") || u.User != nil) {
			t.Errorf("%q is allowed: %v", text, u)
		}
	})
}
