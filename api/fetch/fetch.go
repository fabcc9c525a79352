// Package fetch reads what a client of an API names by URL, where the site allows that.
//
// A kiosk that follows URLs is a way into the network that it stands in. A [Fetcher] therefore
// asks only hosts that the site lists, over https at the usual port, and connects only to
// addresses that anybody on the internet could reach: the address is looked at when the
// connection is made, after the name was resolved, so that a name cannot change its mind. Every
// redirect is checked like the first URL. Time and size are bounded. The zero Fetcher refuses
// everything.
//
// A Fetcher is safe for concurrent use. What it reads is not looked at.
package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrRefused means that a URL is not one that may be read. It says nothing of what is there.
var ErrRefused = errors.New("the URL is not allowed")

// ErrTooLarge means that what a URL names is larger than it may be.
var ErrTooLarge = errors.New("larger than allowed")

// Bounds of one call.
const (
	Timeout      = 10 * time.Second // from the look-up of the name to the last byte
	MaxRedirects = 3
	maxURL       = 2048
)

// A Fetcher reads from the hosts of a list.
type Fetcher struct {
	// Hosts are names such as "img.example.org", which stands for itself alone, compared
	// without regard to case. Addresses are never allowed.
	Hosts []string
	// Roots are what servers are trusted by, nil: the system's.
	Roots *x509.CertPool
	// Resolve, where set, looks up a name in place of the system. Tests set it.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial, where set, connects in place of the system, to an address that was found fit. Tests
	// set it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Enabled reports whether any URL is allowed.
func (f *Fetcher) Enabled() bool { return f != nil && len(f.Hosts) > 0 }

// CheckHost returns an error that says why a text cannot be one of the hosts of a Fetcher.
func CheckHost(host string) error {
	_, notAddress := netip.ParseAddr(host)
	u, err := url.Parse("https://" + host + "/")
	if err != nil || host == "" || u.Host != host || u.Hostname() != host || strings.HasSuffix(host, ".") || strings.Contains(host, "*") || notAddress == nil {
		return fmt.Errorf("%q is no name of a host such as img.example.org", host)
	}
	return nil
}

// Allows reports whether a URL may be asked for, as far as the URL itself tells.
func (f *Fetcher) Allows(text string) bool {
	_, err := f.check(text)
	return err == nil
}

// Get reads at most limit bytes of what a URL names. The error wraps ErrRefused where the URL,
// one that it redirects to or the address of its host is not allowed, and ErrTooLarge.
func (f *Fetcher) Get(ctx context.Context, text string, limit int64) ([]byte, error) {
	u, err := f.check(text)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	transport := &http.Transport{
		DialContext:            f.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: f.Roots},
		MaxResponseHeaderBytes: 16 << 10,
		DisableKeepAlives:      true,
		DisableCompression:     true, // what is read is what was sent
		ForceAttemptHTTP2:      true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > MaxRedirects {
				return fmt.Errorf("%w: more than %d redirects", ErrRefused, MaxRedirects)
			}
			_, err := f.check(r.URL.String())
			return err
		},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, ErrRefused
	}
	r.Header.Set("User-Agent", "facegate")
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a secret
		}
		return nil, fmt.Errorf("fetch: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetch: answered with status %d", resp.StatusCode)
	case resp.ContentLength > limit:
		return nil, fmt.Errorf("fetch: %w", ErrTooLarge)
	}
	var data bytes.Buffer
	data.Grow(int(max(0, resp.ContentLength)) + bytes.MinRead) // in one piece, where its length is told
	if _, err := data.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if int64(data.Len()) > limit {
		return nil, fmt.Errorf("fetch: %w", ErrTooLarge)
	}
	return data.Bytes(), nil
}

// check parses a URL that may be read as far as the URL itself tells.
func (f *Fetcher) check(text string) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) { return nil, fmt.Errorf("%w: %s", ErrRefused, why) }
	if !f.Enabled() {
		return refuse("no host is listed")
	}
	if len(text) > maxURL {
		return refuse("it is too long")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return refuse("it is none")
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	_, notAddress := netip.ParseAddr(host)
	listed := slices.ContainsFunc(f.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
	switch {
	case u.Scheme != "https":
		return refuse("it is not https")
	case u.User != nil:
		return refuse("it holds a name or password")
	case u.Port() != "" && u.Port() != "443":
		return refuse("it names a port")
	case host == "" || notAddress == nil || !listed:
		return refuse("its host is not listed")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// dial connects to a host at an address that is public.
func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	resolve, connect := f.Resolve, f.Dial
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if connect == nil {
		connect = (&net.Dialer{Timeout: Timeout / 2}).DialContext
	}
	addresses, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	// One that is not public is reason to trust none: a name that means both is a trick.
	for _, a := range addresses {
		if !Public(a) {
			return nil, fmt.Errorf("%w: its host is not on the internet", ErrRefused)
		}
	}
	err = errors.New("the host has no address")
	for _, a := range addresses[:min(len(addresses), 4)] {
		var c net.Conn
		if c, err = connect(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// Public reports whether an address is one of the internet's at large: none of this machine, of
// a private or shared network, of a link, of many, reserved, or one that stands for such an
// address by translation.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range [...]string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}
